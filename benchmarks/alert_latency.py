"""From the last byte of a window on a serial line to the alert: the agent's own pipeline.

    python benchmarks/alert_latency.py [--seconds 30]

Frames of a made-up movement go over a pty in real time; an agent (without a broker: alerts need
none) reads them, infers in int8, and alerts. Each alert is timed from the moment at which the frame
that completed its window had been written, to the agent's log line, which comes after the alert is
on the disk. The aim is a 95th percentile under 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import tempfile
import time
import tty
from pathlib import Path

import numpy as np

from broker.settings import BrokerSettings
from edge_agent.agent import Agent
from edge_agent.alerts import AlertLog
from edge_agent.effects import Model
from edge_agent.inference import candidate_of
from edge_agent.installed import InstalledFile
from edge_agent.settings import AgentSettings, AlertSettings, SensorSettings, WindowSettings
from edge_agent.sources import open_sources
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.sample import Channel
from models.artifact import load_artifact
from models.normalisation import Normalisation

STEP_NS = 20_000_000
HOP = 10
LIMIT_MS = 50.0


class Ear(logging.Handler):
    """The times at which alerts were said."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the time of an alert."""
        if record.msg.startswith("ALERT"):
            self.times.append(time.perf_counter())


async def measure(folder: Path, seconds: int) -> list[float]:
    """Milliseconds of each alert."""
    artifact = load_artifact("shoulder-cnn1d")
    state = folder / "g1"
    state.mkdir()
    known = Normalisation((0.0,) * 6, (1.0,) * 6)
    model = Model(b"d" * 32, 1, known, artifact.initial_parameters())
    InstalledFile(state / "installed.model", artifact).keep(candidate_of(artifact, model))
    master, slave = os.openpty()
    tty.setraw(slave)
    sensor = SensorSettings("watch", port=os.ttyname(slave))
    settings = AgentSettings(
        "ward",
        "g1",
        "shoulder-cnn1d",
        str(state),
        # Nobody listens there.
        broker=BrokerSettings("mqtt://127.0.0.1:9"),
        sensor=(sensor,),
        window=WindowSettings(hop=HOP),
        # Every class alarms, and each change of class is an alert of its own.
        alert=AlertSettings(classes=artifact.spec.classes, min_probability=0.0, consecutive=1),
    )
    agent = Agent(settings, artifact, tuple(open_sources((sensor,))))
    ear, stop = Ear(), asyncio.Event()
    logging.getLogger("edge_agent.agent").addHandler(ear)
    running = asyncio.create_task(agent.run(stop))
    await asyncio.sleep(1.0)
    written = await write(master, seconds)
    await asyncio.sleep(0.5)
    stop.set()
    await running
    log = AlertLog(state / "alerts.sqlite")
    ends = [alert.detection.end_ns for alert in log.all()]
    log.close()
    os.close(master)
    os.close(slave)
    ordered = sorted(written)
    took = []
    for end, said in zip(ends, ear.times, strict=True):
        last = next(stamp for stamp in ordered if stamp >= end - STEP_NS // 2)
        took.append(1e3 * (said - written[last]))
    return took


async def write(master: int, seconds: int) -> dict[int, float]:
    """Write frames in real time: a frame's last moment -> when it was written."""
    generator = np.random.default_rng(0)
    kind = np.repeat(generator.integers(0, 6, seconds), 50)[:, None]
    time_s = np.arange(seconds * 50)[:, None] / 50
    swing = (0.5 + kind) * np.sin(2 * np.pi * (0.5 + kind) * time_s + kind * np.arange(6))
    readings = (swing + 0.3 * generator.normal(size=swing.shape)).astype(np.float32)
    spec = load_artifact("shoulder-cnn1d").spec
    channels = tuple(Channel(c.name, c.unit) for c in spec.channels)
    session = RecordedSession(channels, STEP_NS, (Segment(None, 0, readings),))
    origin = time.time_ns()
    began = time.perf_counter()
    written: dict[int, float] = {}
    for elapsed_ns, data in segments_to_frames(
        session, readings_per_batch=5, start_ns=origin, marks=False
    ):
        await asyncio.sleep(max(0.0, began + elapsed_ns / 1e9 - time.perf_counter()))
        os.write(master, data)
        written[origin + elapsed_ns] = time.perf_counter()
    return written


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder), options.seconds))
    p50, p95, most = (float(np.percentile(took, q)) for q in (50, 95, 100))
    verdict = "ok" if p95 < LIMIT_MS else "OVER"
    print(f"{len(took)} alerts: median {p50:.1f} ms, 95th percentile {p95:.1f} ms, "
          f"longest {most:.1f} ms; aim {LIMIT_MS:g} ms: {verdict}")  # fmt: skip


if __name__ == "__main__":
    main()
