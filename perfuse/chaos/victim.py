"""A service that can be stopped in any phase: ``python -m perfuse.chaos.victim SOCKET NAME ...``.

The rest of the command line is that of ``perfuse``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

# Seconds by which the process's clock is ahead, from its beginning on.
CLOCK_VARIABLE = "PERFUSE_CHAOS_CLOCK_S"
# Nobody waits half a minute for a disk that was full for a second.
_STORAGE_RETRY_S = 0.5
# prctl(2): the signal that the kernel sends when the parent has ended.
_PR_SET_PDEATHSIG = 1


def run(path: str, name: str, arguments: list[str]) -> int:
    """Set the clock, put the tripwires up, and run the command."""
    _end_with_parent()
    _set_clock(float(os.environ.get(CLOCK_VARIABLE, "0")))
    # Only now: modules look at the clock when they are imported.
    import edge_agent.agent
    from perfuse.chaos.tripwire import Tripwire
    from perfuse.cli import main

    edge_agent.agent._STORAGE_RETRY_S = _STORAGE_RETRY_S  # see above
    Tripwire(path, name).install()
    return main(arguments)


def _end_with_parent() -> None:
    """Nobody is left to end a victim when the harness itself was killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _set_clock(ahead_s: float) -> None:
    """Monotonic time goes on, as it does when somebody sets a machine's clock."""
    right = time.time
    time.time = lambda: right() + ahead_s


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
