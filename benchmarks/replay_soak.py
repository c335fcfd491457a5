"""A day of three sensors replayed a thousand times as fast, with every fault: about 90 seconds.

    python benchmarks/replay_soak.py [--hours 24] [--speed 1000] [--seed 1]

An hour is recorded from simulated wearers (an IMU of 50 Hz in perfuse's own frames, an oximeter
and a heart rate strap) and replayed over and over, from files, through the decoders. Afterwards
every reading was delivered or is counted under a reason, and memory is where it was after the first
tenth.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import aclosing
from itertools import takewhile
from pathlib import Path

import numpy as np

from firmware_bridge.raw_recording import RawFrame, RecordingHeader
from firmware_bridge.raw_recording_file import RecordingWriter
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import TimedFrame, segments_to_frames
from firmware_bridge.replay_faults import parse_faults
from firmware_bridge.replay_source import RecordedSource, ReplayOrder
from firmware_bridge.sample import Channel, Sample
from firmware_bridge.simulate.sensor_frames import modelled_frames

_HOUR_NS = 3600 * 10**9
_EPOCH_NS = 1_700_000_000 * 10**9
_FAULTS = (
    "drop=0.002,duplicate=0.002,reorder=0.002,flip=0.002,"
    "gap=0.0002,gap_s=20,stall=0.0002,stall_s=10,disconnect=0.0002,disconnect_s=60"
)
_MEMORY_SLACK_MB = 8.0


def hour_of_walking(rng: np.random.Generator) -> list[TimedFrame]:
    """An hour of a three-axis IMU with a mark every minute."""
    readings = rng.normal(size=(3600 * 50, 3)).astype(np.float32)
    axes = tuple(Channel(axis, "[g]") for axis in ("ax", "ay", "az"))
    minutes = tuple(
        Segment(("walk", "rest")[m % 2], m * 60 * 10**9, readings[m * 3000 : (m + 1) * 3000])
        for m in range(60)
    )
    session = RecordedSession(axes, 20_000_000, minutes)
    return list(segments_to_frames(session, readings_per_batch=25))


def record(folder: Path, rng: np.random.Generator) -> list[Path]:
    """An hour of each sensor, as files."""
    frames = {"perfuse_frame": hour_of_walking(rng)}
    for name in ("nonin_df2", "heart_rate"):
        endless = modelled_frames(name, rng, _EPOCH_NS)
        frames[name] = list(takewhile(lambda timed: timed[0] < _HOUR_NS, endless))
    paths = []
    for name, timed in frames.items():
        paths.append(folder / f"{name}.jsonl.gz")
        header = RecordingHeader(name, name, "simulated", _EPOCH_NS, "0")
        with RecordingWriter(paths[-1], header) as writer:
            for due_ns, data in timed:
                writer.add(RawFrame(_EPOCH_NS + due_ns, name, "serial", data))
    return paths


def resident_mb() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def replay(source: RecordedSource, got: Counter[str]) -> None:
    """Take everything and count the readings."""
    async with aclosing(source.events()) as events:
        async for event in events:
            if isinstance(event, Sample):
                got[source.sensor] += len(event.values)


async def watch_memory(seconds: float, seen: list[float]) -> None:
    """Look at the memory two hundred times."""
    while True:
        await asyncio.sleep(seconds / 200)
        seen.append(resident_mb())


async def soak(paths: list[Path], order: ReplayOrder, seconds: float) -> bool:
    """Replay all at once; prints the account, and returns whether it is right."""
    sources = [RecordedSource("", path, order) for path in paths]
    got: Counter[str] = Counter()
    memory: list[float] = []
    watching = asyncio.create_task(watch_memory(seconds, memory), name="memory")
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for source in sources:
            tasks.create_task(replay(source, got), name=source.sensor)
    took = time.perf_counter() - began
    watching.cancel()
    right = True
    for source in sources:
        right &= account(source, got[source.sensor])
    early = max(memory[: max(1, len(memory) // 10)])
    late = max(memory[-max(1, len(memory) // 10) :])
    print(
        f"{took:.0f} s; resident {early:.1f} MB at most in the first tenth, {late:.1f} in the last"
    )
    return right and late - early <= _MEMORY_SLACK_MB


def account(source: RecordedSource, got: int) -> bool:
    """Print where a sensor's readings went; whether the books are right."""
    books, faults = source.books, source.fault_counters
    lost = ", ".join(f"{count} {reason}" for reason, count in sorted(books.lost.items()))
    print(f"{source.sensor}: {faults.offered} frames; {books.recorded} readings recorded, ", end="")
    print(
        f"{books.copied} copied, {books.spurious} spurious = {books.delivered} delivered + {lost}"
    )
    print(
        f"  {faults.dropped} dropped, {faults.duplicated} duplicated, {faults.flipped} flipped, "
        f"{faults.reordered} reordered, {faults.gaps} gaps, {faults.stalls} stalls, "
        f"{faults.disconnects} disconnects; balance {books.balance}"
    )
    return books.right and got == books.delivered == source.counters.readings


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--speed", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    order = ReplayOrder(options.speed, options.hours, parse_faults(_FAULTS), options.seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = record(Path(folder), np.random.default_rng(options.seed))
        seconds = options.hours * 3600 / options.speed
        right = asyncio.run(soak(paths, order, seconds))
    print("the books are right" if right else "the books are WRONG, or memory grew")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
