"""The ``perfuse`` command: parses, runs one sub-command, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from perfuse.exit_codes import EXIT_CODE_HELP, ExitCode

# In the order that a new user meets them.
_COMMANDS = (
    "demo",
    "simulate",
    "agent",
    "aggregator",
    "models",
    "sensors",
    "link",
    "soak",
    "keys",
    "chaos",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``perfuse``; returns an exit code of :class:`~perfuse.exit_codes.ExitCode`."""
    # One thread of BLAS: a gateway's arrays are small, and its pools are not.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; say nothing more into the closed pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        print(f"perfuse {options.command}: {error}", file=sys.stderr)
        return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perfuse",
        description="Federated learning for medical wearables, on gateways whose link comes "
        "and goes.",
        epilog=EXIT_CODE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log every detail")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        import_module(f"perfuse.commands.{name}").add_parser(commands)
    return parser


def _exit_code(error: Exception) -> ExitCode | None:
    """Return the code of an error that is the user's to mend; ``None`` for a bug of ours."""
    for module, name, code in _ERRORS:
        # A class whose module was never imported cannot be this error's.
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, getattr(loaded, name)):
            return code
    return None


_ERRORS = (
    ("perfuse.configuration", "ConfigurationError", ExitCode.CONFIG),
    ("broker.settings", "SettingError", ExitCode.CONFIG),
    ("perfuse.simulation.dataset", "DatasetError", ExitCode.DATA),
    ("perfuse.simulation.round_end", "SimulationError", ExitCode.FAILED),
    ("perfuse.simulation.scheduling", "OptionError", ExitCode.USAGE),
    ("perfuse.demo.recordings", "RecordingsMissingError", ExitCode.UNAVAILABLE),
    ("perfuse.demo.stage", "DemoError", ExitCode.FAILED),
    ("broker.deploy.embedded", "BrokerError", ExitCode.UNAVAILABLE),
    ("perfuse.link.proxy", "LinkError", ExitCode.UNAVAILABLE),
    ("broker.aggregator.errors", "ForeignStateError", ExitCode.CONFIG),
    ("edge_agent.errors", "ForeignStateError", ExitCode.CONFIG),
    ("broker.aggregator.errors", "StateError", ExitCode.STATE),
    ("broker.keys", "KeyFileError", ExitCode.STATE),
    ("edge_agent.errors", "StorageError", ExitCode.STATE),
    ("edge_agent.errors", "TrainingError", ExitCode.FAILED),
    ("models.errors", "RuntimeMissingError", ExitCode.UNAVAILABLE),
    ("models.errors", "RequestError", ExitCode.USAGE),
    ("models.errors", "ModelError", ExitCode.DATA),
    ("firmware_bridge.errors", "BridgeError", ExitCode.DATA),
    ("perfuse.commands.missing", "MissingExtraError", ExitCode.UNAVAILABLE),
)
