"""``perfuse sensors``: find, read, record, replay, decode and simulate sensors."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from perfuse.commands import (
    sensors_convert,
    sensors_list,
    sensors_record,
    sensors_replay,
    sensors_scan,
    sensors_simulate,
    sensors_watch,
)
from perfuse.commands.options import Commands
from perfuse.exit_codes import ExitCode

_DECODE_DESCRIPTION = """\
Read JSON lines {"profile": NAME, "hex": FRAME} and print a JSON line for each: the frame's
fields, or {"error": REASON} for one that the decoder refuses.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "sensors",
        help="what sensors send",
        description="Find sensors, read, record and replay them; decode their frames; be one.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for module in (sensors_scan, sensors_list, sensors_watch, sensors_record, sensors_replay):
        module.add_parser(actions)
    sensors_convert.add_parser(actions)
    profiles = actions.add_parser("profiles", help="names of the profiles that can be decoded")
    profiles.set_defaults(run=run_profiles)
    decode = actions.add_parser(
        "decode",
        help="decode frames",
        description=_DECODE_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    decode.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="standard input when not given"
    )
    decode.set_defaults(run=run_decode)
    sensors_simulate.add_parser(actions)


def run_profiles(options: argparse.Namespace) -> int:
    """Print the names of the profiles."""
    del options
    from firmware_bridge.profiles import profile_names

    for name in profile_names():
        print(name)
    return ExitCode.OK


def run_decode(options: argparse.Namespace) -> int:
    """Decode line by line."""
    from firmware_bridge.errors import RecordingError
    from firmware_bridge.profiles import decode_json_line

    try:
        lines = sys.stdin if options.file is None else options.file.open(encoding="utf-8")
        with lines:
            for line in lines:
                if line.strip():
                    print(json.dumps(decode_json_line(line)))
    except BrokenPipeError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingError(options.file or "standard input", reason) from error
    return ExitCode.OK
