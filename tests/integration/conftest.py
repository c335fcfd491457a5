"""Real processes on a real broker: what the integration tests share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from broker.deploy.embedded import EmbeddedBroker, installed
from broker.deploy.nats_cluster import NatsCluster
from broker.deploy.processes import found_program
from broker.protocol.messages import ModelAnnouncement
from edge_agent.effects import Model
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel
from firmware_bridge.simulate.virtual_port import VirtualPort
from models.artifact import load_artifact
from perfuse.demo.observer import Observer
from perfuse.demo.stage import Cast, replay, replay_over_bluetooth
from perfuse.demo.watch import Gateways, Watch

MODEL = "shoulder-cnn1d"
POPULATION = "ward"
LIMIT_S = 120.0


@dataclass(slots=True)
class Federation:
    """An aggregator and gateways as processes, each with a sensor on a pty.

    What is killed is started again, as systemd would.
    """

    directory: Path
    urls: tuple[str, ...]
    watch: Watch
    versions: list[int] = field(default_factory=list)
    cast: Cast = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cast = Cast(self.directory, lambda line: None)

    def start_aggregator(self, **rounds: object) -> asyncio.Task[None]:
        """Start the aggregator; its task ends when all rounds are committed."""
        settings = self._shared("aggregator") | {
            "rounds": {"min_examples": 20, "deadline_s": 60} | rounds,
            # Long enough to be killed in the middle of.
            "training": {"local_epochs": 40},
        }
        return self._play("aggregator", "aggregator", settings)

    def start_gateway(self, name: str, seed: int, kind: str = "serial") -> None:
        """Start a gateway whose sensor, on a pty or on a virtual radio, replays exercises."""
        session = synthetic_session(seed)
        if kind == "serial":
            port = self.directory / f"{name}.tty"
            sensor = {"name": "watch", "port": str(port)}
            worn = replay(session, port, 500.0)
        else:
            door, address = VirtualPort(), "F1:00:00:00:00:07"
            sensor = {"name": "watch", "kind": "ble", "profile": "perfuse_frame"}
            sensor |= {"address": address, "adapter": door.adapter}
            worn = replay_over_bluetooth(session, door, address, 500.0)
        settings = self._shared(name) | {"gateway": name, "sensor": [sensor]}
        self._tasks.append(asyncio.create_task(worn))
        self._play(name, "agent", settings)

    def kill(self, name: str) -> None:
        """SIGKILL a process."""
        os.kill(int((self.directory / f"{name}.pid").read_text()), signal.SIGKILL)

    async def until(self, condition) -> None:
        """Wait for what the gateways say, at most ``LIMIT_S``."""
        await asyncio.wait_for(self.watch.until(condition), LIMIT_S)

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.cast.close()
        await self.watch.close()

    def _play(self, name: str, command: str, settings: dict[str, object]) -> asyncio.Task[None]:
        task = asyncio.create_task(self.cast.play(name, command, settings), name=name)
        self._tasks.append(task)
        return task

    def _shared(self, name: str) -> dict[str, object]:
        state_dir = str(self.directory / f"{name}-state")
        broker = {"urls": list(self.urls), "keepalive_s": 5}
        return {
            "population": POPULATION,
            "model": MODEL,
            "state_dir": state_dir,
            "broker": broker,
        }


@contextlib.asynccontextmanager
async def federation(
    directory: Path, broker: EmbeddedBroker | NatsCluster
) -> AsyncIterator[Federation]:
    """Yield a federation without any process yet."""
    versions: list[int] = []

    def seen(announced: ModelAnnouncement, model: Model) -> None:
        assert announced.version == model.version
        versions.append(model.version)

    observer = Observer(POPULATION, load_artifact(MODEL).spec.parameters, seen)
    fed = Federation(directory, broker.urls, Watch(broker.urls, observer), versions)
    try:
        yield fed
    finally:
        await fed.close()


def synthetic_session(seed: int) -> RecordedSession:
    """Return one stretch per class, each a sine of its own frequency with noise."""
    spec = load_artifact(MODEL).spec
    generator = np.random.default_rng(seed)
    seconds = np.arange(900) / 50
    segments = []
    for i, label in enumerate(spec.classes):
        wave = np.sin(2 * np.pi * (0.4 + 0.3 * i) * seconds)[:, None]
        readings = wave + 0.3 * generator.normal(size=(len(seconds), len(spec.channels)))
        start_ns = 10**18 + i * 30 * 10**9
        segments.append(Segment(label, start_ns, readings.astype(np.float32)))
    channels = tuple(Channel(c.name, c.unit) for c in spec.channels)
    return RecordedSession(channels, 20_000_000, tuple(segments))


def all_in(gateways: Gateways, names: list[str], version: int) -> bool:
    """Whether every named gateway infers with this version or a later one."""
    return all(name in gateways and (gateways[name].version or -1) >= version for name in names)


@pytest.fixture(params=["mosquitto", "amqtt", "nats"])
def broker(request, tmp_path):
    """A broker or cluster of each kind that is installed."""
    if request.param == "nats":
        yield from _running(_cluster(tmp_path))
    elif request.param not in installed():
        pytest.skip(f"{request.param} is not installed")
    else:
        yield from _running(EmbeddedBroker(tmp_path / "broker", request.param))


@pytest.fixture
def cluster(tmp_path):
    """A cluster of nats-server."""
    yield from _running(_cluster(tmp_path))


def _cluster(tmp_path):
    if found_program("nats-server") is None:
        pytest.skip("nats-server is not installed")
    return NatsCluster(tmp_path / "cluster", ack_wait_s=5)


def _running(broker):
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
