"""Many sensors on one gateway: 200 serial ones over ptys, then 20 Bluetooth ones at once.

    python benchmarks/sensors.py [--sensors 200] [--rate 250] [--seconds 30] [--batch 25]

The serial sensors run in a process of their own and send perfuse's own frames of ``--batch``
readings of three axes in real time; what is measured is the process that reads, decodes and counts
them. Every reading that was sent and not read is lost. Bluetooth is benchmarks/ble_links.py.
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import resource
import sys
import time
from contextlib import aclosing
from multiprocessing.connection import Connection

import ble_links
import numpy as np

from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.replay_pty import PtyReplay
from firmware_bridge.sample import Channel
from firmware_bridge.serial_hub import SerialHub
from firmware_bridge.serial_source import SerialSource
from firmware_bridge.source import SourceCounters

_AXES = tuple(Channel(axis, "[g]") for axis in ("ax", "ay", "az"))
# How long what is on its way when the last reading was sent may take to come.
_GRACE_S = 10.0


def send(pipe: Connection, sensors: int, rate_hz: float, readings: int, batch: int) -> None:
    """The sensors' process: tells its ports, sends everything, and waits to be ended."""
    rng = np.random.default_rng(1)
    walk = rng.normal(size=(readings, 3)).astype(np.float32)
    session = RecordedSession(_AXES, round(1e9 / rate_hz), (Segment("walk", 10**18, walk),))
    frames = list(segments_to_frames(session, readings_per_batch=batch))

    async def run() -> None:
        # Sensors are not in step: each begins at its own moment within a batch.
        starts_ns = rng.integers(0, round(batch / rate_hz * 1e9), sensors).tolist()
        replays = [PtyReplay([(due + at, frame) for due, frame in frames]) for at in starts_ns]
        pipe.send([replay.port for replay in replays])
        await asyncio.gather(*(replay.run() for replay in replays))
        pipe.send(sum(len(frame) for _, frame in frames) * sensors)
        await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


async def drain(source: SerialSource) -> None:
    """Take everything that a source yields."""
    async with aclosing(source.events()) as events:
        async for _ in events:
            pass


async def read(pipe: Connection, readings: int) -> tuple[list[SourceCounters], float, float]:
    """The gateway: returns the sources' counters, and the CPU and wall seconds of reading."""
    hub = SerialHub()
    ports = await asyncio.to_thread(pipe.recv)
    sources = [SerialSource(f"imu {i}", port, hub=hub) for i, port in enumerate(ports)]
    readers = [asyncio.create_task(drain(source), name=source.sensor) for source in sources]
    while sum(source.counters.readings > 0 for source in sources) < len(sources):
        await asyncio.sleep(0.05)
    wall, cpu = time.perf_counter(), time.process_time()
    early = sum(source.counters.readings for source in sources)
    while not await asyncio.to_thread(pipe.poll, 0.5):
        pass
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{sum(s.counters.readings for s in sources) - early} readings in {wall:.1f} s measured")
    deadline = time.perf_counter() + _GRACE_S
    wanted = readings * len(sources)
    while time.perf_counter() < deadline:
        if sum(source.counters.readings for source in sources) >= wanted:
            break
        await asyncio.sleep(0.05)
    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    return [source.counters for source in sources], cpu, wall


def serial(sensors: int, rate_hz: float, seconds: float, batch: int) -> dict[str, float]:
    """Run both processes and print what came of it."""
    readings = round(seconds * rate_hz)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    sender = multiprocessing.get_context("spawn").Process(
        target=send, args=(theirs, sensors, rate_hz, readings, batch), daemon=True
    )
    sender.start()
    counters, cpu, wall = asyncio.run(read(ours, readings))
    size = ours.recv()
    ours.send(None)
    sender.join()
    sent, got = sensors * readings, sum(c.readings for c in counters)
    frames = sum(c.frames for c in counters)
    share = 100 * cpu / wall
    print(f"{sensors} sensors x {rate_hz:g} Hz for {seconds:g} s, {batch} readings a frame")
    print(f"{sent} readings sent in {size / 1e6:.1f} MB, {got} read, {sent - got} lost")
    print(
        f"{sum(c.missing for c in counters)} frames missing, "
        f"{sum(c.malformed for c in counters)} malformed"
    )
    print(
        f"{share:.1f} % of a core, {1e6 * cpu / frames:.0f} us a frame, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB resident at most"
    )
    return {"sensors": sensors, "rate_hz": rate_hz, "lost": sent - got, "cpu_percent": share}


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sensors", type=int, default=200)
    parser.add_argument("--rate", type=float, default=250.0, help="readings a second and sensor")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--batch", type=int, default=25, help="readings a frame")
    parser.add_argument(
        "--links", type=int, default=20, help="Bluetooth sensors; 0 leaves them out"
    )
    parser.add_argument("--json", action="store_true", help="a JSON line at the end")
    options = parser.parse_args()
    logging.getLogger("firmware_bridge").setLevel(logging.ERROR)  # unplugging them all is meant
    found = serial(options.sensors, options.rate, options.seconds, options.batch)
    if options.links:
        print()
        asyncio.run(ble_links.measure(options.links, 10.0, 50.0))
    if options.json:
        print(json.dumps(found))
    sys.exit(1 if found["lost"] else 0)


if __name__ == "__main__":
    main()
