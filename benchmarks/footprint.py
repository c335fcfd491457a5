"""What one agent process costs a gateway: resident memory idle and training, CPU idle.

Starts a broker, an aggregator and one agent that reads a simulated serial sensor, and reads the
agent's memory from /proc: when it reads the sensor and has no plan yet, while it trains, and when
it looks at live windows with the version that came of it.

    python benchmarks/footprint.py
"""

from __future__ import annotations

import asyncio
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from broker.deploy.embedded import EmbeddedBroker
from broker.protocol.messages import GatewayPresence, GatewayState
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel
from models.artifact import load_artifact
from perfuse.demo.observer import Observer
from perfuse.demo.stage import Cast, replay
from perfuse.demo.watch import Watch

MODEL = "shoulder-cnn1d"
POPULATION = "footprint"
GATEWAY = "gw-01"
IDLE_LIMIT_MB, TRAINING_LIMIT_MB = 60, 120
IDLE_S = 10.0
SPEED = 10.0


def session(seconds: float) -> RecordedSession:
    """Return a recording of noise with a label, at the model's rate and channels."""
    spec = load_artifact(MODEL).spec
    generator = np.random.default_rng(0)
    segments = []
    for i, label in enumerate(spec.classes):
        readings = generator.normal(size=(int(seconds * 50), len(spec.channels)))
        start_ns = 10**18 + int(i * (seconds + 5) * 1e9)
        segments.append(Segment(label, start_ns, readings.astype(np.float32)))
    channels = tuple(Channel(c.name, c.unit) for c in spec.channels)
    return RecordedSession(channels, 20_000_000, tuple(segments))


def said(gateways: dict[str, GatewayPresence], condition: Callable) -> bool:
    """Whether the agent has said something that fulfils a condition."""
    return GATEWAY in gateways and condition(gateways[GATEWAY])


def resident_mb(pid: int) -> tuple[float, float]:
    """Return RSS and PSS in MB (10^6 bytes)."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    )
    return tuple(int(fields[key].split()[0]) * 1024 / 1e6 for key in ("Rss", "Pss"))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tables(directory: Path, url: str, port: Path) -> tuple[dict, dict]:
    """Return the agent's and the aggregator's settings."""
    shared = {"population": POPULATION, "model": MODEL, "broker": {"url": url}}
    agent = shared | {
        "gateway": GATEWAY,
        "state_dir": str(directory / GATEWAY),
        "sensor": [{"name": "watch", "port": str(port)}],
    }
    aggregator = shared | {
        "state_dir": str(directory / "aggregator"),
        "rounds": {"rounds": 1, "min_gateways": 1, "min_reports": 1, "min_examples": 32},
        "training": {"local_epochs": 200},
    }
    return agent, aggregator


async def measure(directory: Path) -> list[tuple[str, float, float, float, int]]:
    """Return rows: state, RSS MB, PSS MB, share of a core, limit MB."""
    broker = EmbeddedBroker(directory / "broker")
    broker.start()
    cast = Cast(directory, print)
    tasks = []
    try:
        parameters = load_artifact(MODEL).spec.parameters
        observer = Observer(POPULATION, parameters, lambda announced, model: None)
        watch = Watch((broker.url,), observer)
        port = directory / "sensor.tty"
        agent, aggregator = tables(directory, broker.url, port)
        # Fast, so that there is soon enough to train on, and long, so that windows come to the end.
        tasks.append(asyncio.create_task(replay(session(150.0), port, SPEED)))
        tasks.append(asyncio.create_task(cast.play(GATEWAY, "agent", agent)))
        await watch.until(lambda seen: said(seen, lambda presence: presence.examples >= 50))
        pid = int((directory / f"{GATEWAY}.pid").read_text())
        rows = [("idle, sensor attached", *await idle(pid))]
        tasks.append(asyncio.create_task(cast.play("aggregator", "aggregator", aggregator)))
        await watch.until(
            lambda seen: said(seen, lambda presence: presence.state is GatewayState.TRAINING)
        )
        rows.append(("training", *await peak(watch, pid), math.nan, TRAINING_LIMIT_MB))
        await watch.until(lambda seen: said(seen, lambda presence: presence.version == 1))
        rows.append(("idle, a version later", *await idle(pid)))
        await watch.close()
        return rows
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cast.close()
        broker.stop()


async def idle(pid: int) -> tuple[float, float, float, int]:
    """Return RSS, PSS, share of a core and limit, after a while: what runs now and then counts."""
    before = cpu_seconds(pid)
    await asyncio.sleep(IDLE_S)
    return *resident_mb(pid), (cpu_seconds(pid) - before) / IDLE_S, IDLE_LIMIT_MB


async def peak(watch: Watch, pid: int) -> tuple[float, float]:
    """Return the highest RSS and PSS until the first trained update is on its way."""
    highest = (0.0, 0.0)
    done = asyncio.create_task(
        watch.until(lambda seen: said(seen, lambda presence: presence.version == 1))
    )
    while not done.done():
        highest = tuple(map(max, highest, resident_mb(pid)))
        await asyncio.wait([done], timeout=0.02)
    return highest


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        rows = asyncio.run(measure(Path(directory)))
    print(f"agent process, {MODEL}, sensor {SPEED:.0f} times as fast as real (MB = 10^6 bytes)")
    print(f"{'state':<24} {'RSS MB':>7} {'PSS MB':>7} {'core':>6} {'limit':>6}  ")
    for state, rss, pss, share, limit in rows:
        cpu = "-" if math.isnan(share) else f"{share:.1%}"
        verdict = "ok" if rss < limit else "OVER"
        print(f"{state:<24} {rss:>7.1f} {pss:>7.1f} {cpu:>6} {limit:>6}  {verdict}")


if __name__ == "__main__":
    main()
