"""From the last byte of a window on a serial line to the alert: the agent's own pipeline.

    python benchmarks/alert_latency.py [--seconds 30] [--sensors 4] [--busy 2]

A process a sensor writes frames of made-up movements to ptys in real time; an agent (without a
broker: alerts need none) reads them, infers in int8, and alerts. Each alert is timed from the
moment at which the frame that completed its window had been written, to the agent's log line, which
comes after the alert is on the disk. Three times: while the agent does nothing else, while it
trains, and while it trains and `--busy` other processes take all that they get of the machine's
cores. The aim is a 95th percentile under 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import tty
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from broker.protocol.messages import BlobReference, Cohort, Plan, PlanKind, TrainingPlan
from broker.settings import BrokerSettings
from edge_agent.agent import Agent
from edge_agent.alerts import AlertLog
from edge_agent.effects import Model, StartWork
from edge_agent.errors import TrainingError
from edge_agent.inference import candidate_of
from edge_agent.installed import InstalledFile
from edge_agent.settings import AgentSettings, AlertSettings, SensorSettings, WindowSettings
from edge_agent.sources import open_sources
from edge_agent.trainer import Trained
from edge_agent.windows import Window
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.sample import Channel
from models.artifact import Artifact, load_artifact
from models.normalisation import Normalisation
from models.rehearsal import rehearsal

MODEL = "shoulder-cnn1d"
STEP_NS = 20_000_000
HOP = 10
LIMIT_MS = 50.0
EXAMPLES = 256
# A busy neighbour, at the priority of the agent.
SPIN = "while True: sum(range(10_000))"


class Ear(logging.Handler):
    """The times at which alerts were said."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the time of an alert; the clock is the same in all processes."""
        if record.msg.startswith("ALERT"):
            self.times.append(time.monotonic())


@dataclass(frozen=True)
class Measured:
    """Milliseconds of each alert, and the training steps that the agent took meanwhile."""

    took_ms: list[float]
    steps: int


def main() -> None:
    """Print the percentiles of each condition."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30, help="of each condition (%(default)s)")
    parser.add_argument("--sensors", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="(%(default)s)")
    parser.add_argument("--write", nargs=2, metavar=("FD", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        descriptor, seed = map(int, options.write)
        print(json.dumps(written(descriptor, seed, options.seconds)))
        return
    conditions = (("idle", False, 0), ("training", True, 0), ("training, busy", True, options.busy))
    print(f"{'':16}{'alerts':>7}{'median ms':>11}{'p95 ms':>8}{'longest':>9}{'steps/s':>9}"
          f"{'load':>7}")  # fmt: skip
    for name, training, busy in conditions:
        neighbours = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(busy)]
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = asyncio.run(measure(Path(folder), options, training=training))
        finally:
            for neighbour in neighbours:
                neighbour.kill()
                neighbour.wait()
        p50, p95, most = (float(np.percentile(found.took_ms, q)) for q in (50, 95, 100))
        print(f"{name:16}{len(found.took_ms):>7}{p50:>11.1f}{p95:>8.1f}{most:>9.1f}"
              f"{found.steps / options.seconds:>9.0f}{os.getloadavg()[0]:>7.1f}"
              f"   {'ok' if p95 < LIMIT_MS else 'OVER'}", flush=True)  # fmt: skip


async def measure(folder: Path, options: argparse.Namespace, *, training: bool) -> Measured:
    """Run an agent and its sensors' writers for a while."""
    artifact = load_artifact(MODEL)
    state = folder / "g1"
    state.mkdir()
    model = Model(
        b"d" * 32, 1, Normalisation((0.0,) * 6, (1.0,) * 6), artifact.initial_parameters()
    )
    InstalledFile(state / "installed.model", artifact).keep(candidate_of(artifact, model))
    lines = [os.openpty() for _ in range(options.sensors)]
    for _, slave in lines:
        tty.setraw(slave)
    sensors = tuple(
        SensorSettings(f"watch-{i}", port=os.ttyname(slave)) for i, (_, slave) in enumerate(lines)
    )
    settings = AgentSettings(
        "ward",
        "g1",
        MODEL,
        str(state),
        # Nobody listens there.
        broker=BrokerSettings("mqtt://127.0.0.1:9"),
        sensor=sensors,
        window=WindowSettings(hop=HOP),
        # Every class alarms, and each change of class is an alert of its own.
        alert=AlertSettings(classes=artifact.spec.classes, min_probability=0.0, consecutive=1),
    )
    agent = Agent(settings, artifact, tuple(open_sources(sensors)))
    fill(agent, artifact)
    ear, stop = Ear(), asyncio.Event()
    logging.getLogger("edge_agent.agent").addHandler(ear)
    running = asyncio.create_task(agent.run(stop))
    await asyncio.sleep(1.0)
    work = asyncio.ensure_future(agent._worker.run(StartWork(plan(), model, (1, 2))))
    if not training:
        agent._worker.finish(plan().plan)
    writers = [await writer(master, i, options.seconds) for i, (master, _) in enumerate(lines)]
    stamps = [json.loads((await process.communicate())[0]) for process in writers]
    await asyncio.sleep(0.5)
    agent._worker.finish(plan().plan)
    steps = await steps_of(work)
    stop.set()
    await running
    logging.getLogger("edge_agent.agent").removeHandler(ear)
    took = delays(state, ear, stamps)
    for descriptor in (descriptor for line in lines for descriptor in line):
        os.close(descriptor)
    return Measured(took, steps if training else 0)


def fill(agent: Agent, artifact: Artifact) -> None:
    """Give the agent examples to train on."""
    x, y = rehearsal(artifact.spec, np.random.default_rng(0), EXAMPLES)
    agent._examples.extend(
        (Window("made-up", i, i + 1, values, 0.0), artifact.spec.classes[kind])
        for i, (values, kind) in enumerate(zip(x, y, strict=True))
    )


def plan() -> Plan:
    """More training than the measurement takes."""
    training = TrainingPlan(1_000_000, 1e-4, 0.9, 0.0)
    reference = BlobReference(b"d" * 32, 1, 1)
    cohort = Cohort.of(("g1",))
    return Plan(
        1, "ward.1", PlanKind.TRAIN, b"a" * 32, 1, reference, cohort, "q8", training, 10, 2e9, 7
    )


async def steps_of(work: asyncio.Future) -> int:
    """Steps of what was learnt until it was told to finish."""
    try:
        found = await work
    except TrainingError:  # told to finish before its first step
        return 0
    return found.steps if isinstance(found, Trained) else 0


async def writer(master: int, seed: int, seconds: int) -> asyncio.subprocess.Process:
    """Start the process that writes one sensor's frames."""
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--seconds", str(seconds), "--write", str(master), str(seed),
        pass_fds=(master,), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


def delays(state: Path, ear: Ear, stamps: list[list[tuple[int, float]]]) -> list[float]:
    """Milliseconds from the frame that completed an alert's window to the alert's line."""
    log = AlertLog(state / "alerts.sqlite")
    alerts = [alert.detection for alert in log.all()]
    log.close()
    took = []
    for alert, said in zip(alerts, ear.times, strict=True):
        frames = stamps[int(alert.sensor.rpartition("-")[2])]
        written_s = next(s for end, s in frames if end >= alert.end_ns - STEP_NS // 2)
        took.append(1e3 * (said - written_s))
    return took


def written(descriptor: int, seed: int, seconds: int) -> list[tuple[int, float]]:
    """Write frames in real time; returns each frame's last moment, and when it was written."""
    generator = np.random.default_rng(seed)
    kind = np.repeat(generator.integers(0, 6, seconds), 50)[:, None]
    time_s = np.arange(seconds * 50)[:, None] / 50
    swing = (0.5 + kind) * np.sin(2 * np.pi * (0.5 + kind) * time_s + kind * np.arange(6))
    readings = (swing + 0.3 * generator.normal(size=swing.shape)).astype(np.float32)
    channels = tuple(Channel(c.name, c.unit) for c in load_artifact(MODEL).spec.channels)
    session = RecordedSession(channels, STEP_NS, (Segment(None, 0, readings),))
    origin, began = time.time_ns(), time.monotonic()
    stamps = []
    for elapsed_ns, data in segments_to_frames(
        session, readings_per_batch=5, start_ns=origin, marks=False
    ):
        time.sleep(max(0.0, began + elapsed_ns / 1e9 - time.monotonic()))
        os.write(descriptor, data)
        stamps.append((origin + elapsed_ns, time.monotonic()))
    return stamps


if __name__ == "__main__":
    main()
