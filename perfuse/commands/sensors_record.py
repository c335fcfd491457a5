"""``perfuse sensors record``: write down the raw frames of sensors."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands, number, whole
from perfuse.commands.sensor_options import EXAMPLES, add_sensor_options, chosen_sensors
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from edge_agent.sensor_settings import SensorSettings
    from firmware_bridge.raw_recording import RawFrame
    from firmware_bridge.raw_recording_file import RecordingWriter
    from firmware_bridge.recorder import Recorder
    from firmware_bridge.source import Source

_DESCRIPTION = """\
Record the raw frames of sensors as JSON lines, one file a sensor, until a signal or as long as
told. What came is on the disk a second later and stays readable if the power goes.
"""
_FLUSH_S = 1.0


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "record",
        help="record raw frames",
        description=_DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="FILE.jsonl.gz of one sensor, or a folder",
    )
    parser.add_argument(
        "--seconds", type=number(0, 1e9), default=0.0, metavar="S", help="how long; 0: no limit"
    )
    parser.add_argument(
        "--frames", type=whole(0, 10**12), default=0, metavar="N", help="how many; 0: no limit"
    )
    add_sensor_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record until there is enough, or a signal comes."""
    from broker.settings import SettingError
    from edge_agent.sources import open_sources
    from perfuse.service import run_until_signal

    sensors = chosen_sensors(options)
    if any(sensor.kind == "replay" for sensor in sensors):
        raise SettingError("sensor.kind", "a replay is a recording already")
    if len(sensors) > 1 and not options.out.is_dir():
        raise SettingError("--out", f"{options.out} is no folder, and there are several sensors")
    with ExitStack() as files:
        desk = _Desk(options.out, options.frames, files)
        sources = open_sources(sensors, desk.tap_of)
        run_until_signal(lambda stop: _record(stop, sources, desk, options.seconds))
    desk.tell(sources)
    return ExitCode.OK


class _Desk:
    """Where the recordings of one run are written."""

    def __init__(self, out: Path, frames: int, files: ExitStack) -> None:
        self._out = out
        self._most = frames
        self._files = files
        self._recorders: dict[str, Recorder] = {}
        self._writers: dict[str, RecordingWriter] = {}
        self.enough = asyncio.Event()
        self.error: Exception | None = None

    def tap_of(self, sensor: SensorSettings, profile_name: str) -> Recorder:
        """What records a sensor whose profile is known by now."""
        from importlib.metadata import version

        from firmware_bridge.profiles import profile
        from firmware_bridge.raw_recording import RecordingHeader
        from firmware_bridge.raw_recording_file import RecordingWriter
        from firmware_bridge.recorder import FrameCutter, Recorder
        from firmware_bridge.stream_decoder import OWN_FRAME, is_own_frame

        name, channel, cutter = OWN_FRAME, "serial", None
        if is_own_frame(profile_name):
            cutter = FrameCutter(None)
        else:
            found = profile(profile_name)
            name = found.name
            cutter = FrameCutter(found.serial) if found.serial is not None else None
        if sensor.kind == "ble":
            gatt = profile(name).gatt
            assert gatt is not None
            channel = gatt.characteristic[4:8]
        path = self._out / f"{sensor.name}.jsonl.gz" if self._out.is_dir() else self._out
        header = RecordingHeader(sensor.name, name, sensor.kind, time.time_ns(), version("perfuse"))
        writer = self._files.enter_context(RecordingWriter(path, header))
        self._writers[sensor.name] = writer
        recorder = Recorder(sensor.name, channel, cutter, lambda frame: self._add(writer, frame))
        self._recorders[sensor.name] = recorder
        return recorder

    def flush(self) -> None:
        """Bring what came to the disk."""
        for writer in self._writers.values():
            writer.flush()

    def tell(self, sources: tuple[Source, ...]) -> None:
        """Say what was recorded."""
        for source in sources:
            writer, recorder = self._writers.get(source.sensor), self._recorders.get(source.sensor)
            if writer is None or recorder is None:
                print(f"{source.sensor}: never found out what it is", file=sys.stderr)
                continue
            counters = source.counters
            print(
                f"{source.sensor}: {writer.frames} lines in {writer.path}, "
                f"{counters.malformed} malformed frames among them, "
                f"{recorder.garbage} bytes of garbage left out, {counters.reopened} outages",
                file=sys.stderr,
            )

    def _add(self, writer: RecordingWriter, frame: RawFrame) -> None:
        if self._most and sum(each.frames for each in self._writers.values()) >= self._most:
            return
        writer.add(frame)
        if sum(each.frames for each in self._writers.values()) == self._most:
            self.enough.set()


async def _record(
    stop: asyncio.Event, sources: tuple[Source, ...], desk: _Desk, seconds: float
) -> None:
    async def drain(source: Source) -> None:
        async for _ in source.events():
            pass

    async def flush() -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            desk.flush()

    work = [asyncio.create_task(drain(source), name=source.sensor) for source in sources]
    work.append(asyncio.create_task(flush(), name="flush"))
    ends = [
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(desk.enough.wait(), name="enough"),
    ]
    try:
        await asyncio.wait(
            (*work, *ends), timeout=seconds or None, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in (*work, *ends):
            if not task.done():
                task.cancel()
        await asyncio.wait((*work, *ends))
    for task in work:
        if not task.cancelled():
            task.result()
