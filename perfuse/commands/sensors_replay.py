"""``perfuse sensors replay``: run a recording through the decoders, or be its sensor on a pty."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfuse.commands.options import Commands, whole
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from firmware_bridge.replay_source import RecordedSource
    from firmware_bridge.sample import Mark, Sample

_DESCRIPTION = """\
Run a recording of raw frames through the same decoders as its sensor, and print each sample as a
JSON line; the last line on standard error says where every reading went. With --serve it is a
sensor on a pseudo-terminal instead, for an agent to read.
"""
_EPILOG = """\
faults, as probabilities for each frame, and durations in seconds of the recording:
  drop duplicate reorder flip gap stall disconnect; gap_s stall_s disconnect_s

  perfuse sensors replay ox.jsonl.gz --speed max
  perfuse sensors replay ox.jsonl.gz --speed 60 --faults drop=0.01,flip=0.001,disconnect=1e-4
  perfuse sensors replay watch.jsonl.gz --serve /tmp/ttyWATCH --loop
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "replay",
        help="replay raw frames, with faults to order",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl.gz")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="X", help="1 is real time; max: all at once"
    )
    parser.add_argument(
        "--loop",
        type=whole(0, 10**9),
        nargs="?",
        const=0,
        default=1,
        metavar="N",
        help="N times; without N until a signal",
    )
    parser.add_argument("--faults", type=_faults, default="", metavar="NAME=P,...")
    parser.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=0, metavar="N", help="of faults"
    )
    parser.add_argument("--serve", type=Path, metavar="PATH", help="be a pty at this path")
    parser.add_argument("--quiet", action="store_true", help="no samples, only the account")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replay until the recording ends or a signal comes."""
    from firmware_bridge.replay_faults import parse_faults
    from firmware_bridge.replay_source import RecordedSource, ReplayOrder
    from perfuse.service import run_until_signal

    order = ReplayOrder(
        options.speed, options.loop or None, parse_faults(options.faults), options.seed
    )
    source = RecordedSource("", options.file, order)
    if options.serve is not None:
        run_until_signal(lambda stop: _serve(stop, source, options.serve, options.speed))
        return ExitCode.OK
    run_until_signal(lambda stop: _print(stop, source, options.quiet))
    print(json.dumps(_account(source)), file=sys.stderr)
    return ExitCode.OK if source.books.right else ExitCode.FAILED


def sample_fields(event: Sample | Mark) -> dict[str, Any]:
    """A sample or a mark as an object for JSON; an absent value is null and says why."""
    from firmware_bridge.sample import Mark

    if isinstance(event, Mark):
        return {"t_ns": event.timestamp_ns, "sensor": event.sensor, "label": event.label}
    fields: dict[str, Any] = {
        "t_ns": event.timestamp_ns,
        "sensor": event.sensor,
        "stream": event.stream,
        "interval_ns": event.interval_ns,
        "channels": [channel.name for channel in event.channels],
        "units": [channel.unit for channel in event.channels],
        "values": [
            [float(f"{value:.7g}") if math.isfinite(value) else None for value in row]
            for row in event.values.tolist()
        ],
    }
    if event.absent:
        fields["absent"] = {event.channels[i].name: why for i, why in event.absent.items()}
    return fields


async def _print(stop: asyncio.Event, source: RecordedSource, quiet: bool) -> None:
    stopping = asyncio.create_task(_close_when(stop, source), name="stop")
    try:
        async for event in source.events():
            if not quiet:
                print(json.dumps(sample_fields(event)))
    finally:
        stopping.cancel()


async def _close_when(stop: asyncio.Event, source: RecordedSource) -> None:
    await stop.wait()
    source.close()


async def _serve(stop: asyncio.Event, source: RecordedSource, link: Path, speed: float) -> None:
    from firmware_bridge.replay_served import serve

    serving = asyncio.create_task(serve(source.items(), link, speed), name="serve")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if serving.done():
        serving.result()
    serving.cancel()
    await asyncio.wait({serving, stopping})


def _account(source: RecordedSource) -> dict[str, Any]:
    books = source.books
    return {
        "recorded": books.recorded,
        "copied": books.copied,
        "spurious": books.spurious,
        "delivered": books.delivered,
        "lost": dict(books.lost),
        "balance": books.balance,
        "faults": asdict(source.fault_counters),
        "counters": {name: count for name, count in asdict(source.counters).items() if count},
    }


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor max") from None
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _faults(text: str) -> str:
    from firmware_bridge.replay_faults import parse_faults

    try:
        parse_faults(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
