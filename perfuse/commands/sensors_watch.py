"""``perfuse sensors watch``: live values in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands, number
from perfuse.commands.sensor_options import EXAMPLES, add_sensor_options, chosen_sensors
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from firmware_bridge.source import Source
    from perfuse.watch_board import WatchBoard

_DESCRIPTION = """\
Draw the last seconds of every channel, its latest value and its range, until a signal. Where the
output is no terminal, the same lines are printed once a second.
"""
_EPILOG = EXAMPLES + "  --replay ox.jsonl.gz                      a recording, in real time\n"
_HOME_AND_CLEAR, _CLEAR_REST, _CLEAR_LINE = "\033[H", "\033[J", "\033[K"
_ALTERNATE, _NORMAL = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
_FRAME_S, _PRINT_S = 0.1, 1.0


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "watch",
        help="live values in the terminal",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--replay", type=Path, metavar="FILE.jsonl.gz")
    parser.add_argument(
        "--seconds", type=number(0, 1e9), default=0.0, metavar="S", help="how long; 0: no limit"
    )
    add_sensor_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw until a signal comes, the time is up, or every source has ended."""
    from edge_agent.sensor_settings import SensorSettings
    from edge_agent.sources import open_sources
    from perfuse.service import run_until_signal
    from perfuse.watch_board import WatchBoard

    if options.replay is not None:
        name = options.sensor or options.replay.name.split(".")[0] or "replay"
        sensors: tuple[SensorSettings, ...] = (
            SensorSettings(name, kind="replay", file=str(options.replay)),
        )
    else:
        sensors = chosen_sensors(options)
    sources = open_sources(sensors)
    board = WatchBoard({source.sensor: source.counters for source in sources})
    screen = _Screen(board) if sys.stdout.isatty() else _Printer(board)
    with screen:
        run_until_signal(lambda stop: _watch(stop, sources, board, screen, options.seconds))
    return ExitCode.OK


class _Printer:
    """Lines once a second, for files and pipes."""

    interval_s = _PRINT_S

    def __init__(self, board: WatchBoard) -> None:
        self._board = board

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        return

    def draw(self, now_s: float) -> None:
        """Print the board as it is now."""
        print("\n".join(self._board.lines(100, now_s, color=False)), flush=True)


class _Screen(_Printer):
    """Draws over itself on the terminal's other screen, and leaves the first one as it was."""

    interval_s = _FRAME_S

    def __enter__(self) -> None:
        sys.stdout.write(_ALTERNATE)

    def __exit__(self, *_: object) -> None:
        sys.stdout.write(_NORMAL)
        sys.stdout.flush()

    def draw(self, now_s: float) -> None:
        """Draw the board as it is now, as much as fits."""
        size = shutil.get_terminal_size()
        lines = list(self._board.lines(size.columns, now_s, color=True))[: size.lines - 1]
        text = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in lines)
        sys.stdout.write(_HOME_AND_CLEAR + text + _CLEAR_REST)
        sys.stdout.flush()


async def _watch(
    stop: asyncio.Event,
    sources: tuple[Source, ...],
    board: WatchBoard,
    screen: _Printer,
    seconds: float,
) -> None:
    clock: Callable[[], float] = asyncio.get_running_loop().time

    async def read(source: Source) -> None:
        async for event in source.events():
            board.take(event, clock())

    async def draw() -> None:
        while True:
            screen.draw(clock())
            await asyncio.sleep(screen.interval_s)

    async def read_all() -> None:
        await asyncio.gather(*(read(source) for source in sources))

    reading = asyncio.create_task(read_all(), name="read")
    drawing = asyncio.create_task(draw(), name="draw")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    tasks = {reading, drawing, stopping}
    try:
        await asyncio.wait(tasks, timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED)
        screen.draw(clock())
        if reading.done():
            reading.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
