"""Exit codes of ``perfuse``, after sysexits.h where there is one for it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a supervisor can tell from how a command ended."""

    OK = 0
    FAILED = 1  # it ran, and did not reach its goal
    USAGE = 2  # a wrong option; argparse's own code
    DATA = 65  # an input file is not what it should be
    UNAVAILABLE = 69  # something needed is not installed or not there
    STATE = 74  # a state file cannot be read or written
    CONFIG = 78  # a configuration file is wrong, or state another's: restarting does not help
    INTERRUPTED = 130  # Ctrl-C


EXIT_CODE_HELP = """\
exit codes:
  0   done
  1   it ran, and did not reach its goal
  2   wrong options
  65  an input file is not what it should be
  69  something that is needed is not installed or not there
  74  a state file cannot be read or written
  78  a configuration file is wrong, or state_dir holds what is of another gateway, model or version
      (a service should not be restarted)
  130 interrupted
"""
