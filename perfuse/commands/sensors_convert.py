"""``perfuse sensors convert``: signals of EDF, CSV and WFDB files as a recording of frames."""

from __future__ import annotations

import argparse
import heapq
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.missing import MissingExtraError
from perfuse.commands.options import Commands, number
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_bridge.recording import RecordedSession
    from firmware_bridge.recording_frames import TimedFrame

_DESCRIPTION = """\
Make a recording of perfuse's own frames from signals that were recorded otherwise, to replay them
as a sensor's. The signals of one rate become one stream; what lasts as an annotation of EDF+, or
stands in the column "label" of a CSV file, becomes the marks. Readings are rounded to 16 bits.
"""
_EPILOG = """\
by the end of its name a file is
  .edf       EDF or EDF+ (extra "edf")
  .hea       the header of a WFDB record (extra "wfdb")
  .csv       with a first line of "seconds" (or else --rate), channels as name or name/unit, and
             "label" or not

  perfuse sensors convert night.edf --out night.jsonl.gz
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "convert",
        help="a recording from EDF, CSV or WFDB",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl.gz")
    parser.add_argument(
        "--rate",
        type=number(1e-3, 1e6),
        metavar="HZ",
        help="readings a second of a CSV file without seconds",
    )
    parser.add_argument("--sensor", metavar="NAME", help="name of the sensor; else the file's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, encode, write."""
    from firmware_bridge.raw_recording import RawFrame, RecordingHeader
    from firmware_bridge.raw_recording_file import RecordingWriter
    from firmware_bridge.recording_frames import segments_to_frames
    from firmware_bridge.stream_decoder import OWN_FRAME

    sessions = _sessions(options.file, options.rate)
    sensor = options.sensor or options.file.stem
    starts_ns = [session.segments[0].start_ns for session in sessions]
    start_ns = min(starts_ns)
    # Only the first stream says the marks: they are the sensor's, not the stream's.
    streams = [
        _since(
            starts_ns[number],
            segments_to_frames(
                session,
                stream="signals" if len(sessions) == 1 else f"signals{number}",
                stream_id=number,
                marks=number == 0,
            ),
        )
        for number, session in enumerate(sessions)
    ]
    header = RecordingHeader(
        sensor,
        OWN_FRAME,
        options.file.suffix.lstrip(".").lower(),
        start_ns,
        version("perfuse"),
        1e9 / sessions[0].interval_ns,
    )
    with RecordingWriter(options.out, header) as writer:
        for t_ns, data in heapq.merge(*streams, key=lambda timed: timed[0]):
            writer.add(RawFrame(t_ns, sensor, "serial", data))
        print(f"{options.out}: {writer.frames} frames of {len(sessions)} streams")
    return ExitCode.OK


def _since(start_ns: int, frames: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    return ((start_ns + due_ns, data) for due_ns, data in frames)


def _sessions(path: Path, rate_hz: float | None) -> tuple[RecordedSession, ...]:
    from firmware_bridge.errors import RecordingError

    kind = path.suffix.lower()
    try:
        if kind == ".edf":
            from firmware_bridge.session_edf import read_session_edf

            return read_session_edf(path)
        if kind == ".hea":
            from firmware_bridge.session_wfdb import read_session_wfdb

            return read_session_wfdb(path)
    except ModuleNotFoundError as error:
        extra = "edf" if kind == ".edf" else "wfdb"
        raise MissingExtraError(error.name or extra, extra) from error
    if kind != ".csv":
        raise RecordingError(path, "is none of .edf, .hea and .csv by its name")
    from firmware_bridge.session_csv import read_session_csv

    return (read_session_csv(path, rate_hz),)
