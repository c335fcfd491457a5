"""Two agents of one identity, as a copied memory card makes them, on real brokers."""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import broker.link
import edge_agent.presence
from broker.aggregator.service import AggregatorService
from broker.aggregator.settings import AggregatorSettings, RoundSettings
from broker.deploy.embedded import EmbeddedBroker, installed
from broker.deploy.nats_cluster import NatsCluster
from broker.deploy.processes import found_program
from broker.settings import BrokerSettings
from edge_agent.agent import Agent
from edge_agent.settings import AgentSettings
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.replay import ReplaySource
from firmware_bridge.sample import Channel
from models.artifact import Artifact

AnyBroker = EmbeddedBroker | NatsCluster
Urls = tuple[str, ...]
LIMIT_S = 120.0
OUSTED = "another client seems to use the id perfuse-ward-g1 too"


@pytest.fixture(params=["mosquitto", "amqtt", "nats"])
def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyBroker]:
    found: AnyBroker
    if request.param == "nats":
        if found_program("nats-server") is None:
            pytest.skip("nats-server is not installed")
        found = NatsCluster(tmp_path / "broker")
    elif request.param not in installed():
        pytest.skip(f"{request.param} is not installed")
    else:
        found = EmbeddedBroker(tmp_path / "broker", request.param)
    found.start()
    yield found
    found.stop()


def agent(artifact: Artifact, urls: Urls, state: Path) -> Agent:
    broker = BrokerSettings(urls=urls)
    settings = AgentSettings("ward", "g1", "shoulder-cnn1d", str(state), broker=broker)
    channels = tuple(Channel(c.name, c.unit) for c in artifact.spec.channels)
    readings = np.zeros((10, 6), np.float32)
    recorded = RecordedSession(channels, 20_000_000, (Segment(None, 0, readings),))
    return Agent(settings, artifact, (ReplaySource("watch", recorded, math.inf),))


def made(artifact: Artifact, urls: Urls, state: Path) -> None:
    """Write a gateway's state: its key and its journal."""

    async def once() -> None:
        stop = asyncio.Event()
        stop.set()
        await agent(artifact, urls, state).run(stop)

    asyncio.run(once())


def service(artifact: Artifact, urls: Urls, state: Path) -> AggregatorService:
    settings = AggregatorSettings("ward", RoundSettings(min_gateways=2))
    return AggregatorService(settings, BrokerSettings(urls=urls), artifact, state)


def lines(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [r.message for r in caplog.records if text in r.message]


async def until_told(
    agents: list[Agent], tasks: asyncio.TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    """Run twins until each knows that it is one, and a link has said why it keeps breaking."""
    stops = [asyncio.Event() for _ in agents]
    for found, stop in zip(agents, stops, strict=True):
        tasks.create_task(found.run(stop))
        while not found._participant._connected:
            await asyncio.sleep(0.02)
    while not all(found._participant._twin.obstacles for found in agents):
        await asyncio.sleep(0.02)
    while not lines(caplog, OUSTED):
        await asyncio.sleep(0.02)
    for stop in stops:
        stop.set()


def test_a_copied_memory_card_is_told_to_both(
    artifact: Artifact,
    any_broker: AnyBroker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(edge_agent.presence, "_HEARTBEAT_S", 0.5)
    monkeypatch.setattr(broker.link, "_FIRST_RECONNECT_S", 0)
    card, copy = tmp_path / "card", tmp_path / "copy"
    made(artifact, any_broker.urls, card)
    shutil.copytree(card, copy)

    async def scenario() -> None:
        stop = asyncio.Event()
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            aggregator = service(artifact, any_broker.urls, tmp_path / "aggregator")
            tasks.create_task(aggregator.run(stop))
            twins = [agent(artifact, any_broker.urls, state) for state in (card, copy)]
            await until_told(twins, tasks, caplog)
            stop.set()

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    assert len(lines(caplog, "2 agents run as gateway g1 at once, with one key: stop all")) == 1
    assert len(lines(caplog, "2 agents run as gateway g1 at once, with one key: this one")) == 2
    assert len(lines(caplog, "takes no part: twin: 2 agents of one identity")) == 2


def test_a_gateway_that_is_restarted_is_not_taken_for_two(
    artifact: Artifact,
    any_broker: AnyBroker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(edge_agent.presence, "_HEARTBEAT_S", 0.0)

    async def life() -> None:
        """Run an agent until it has said several times how it is."""
        stop = asyncio.Event()
        found = agent(artifact, any_broker.urls, tmp_path / "g1")
        running = asyncio.create_task(found.run(stop))
        said = found._participant
        while said.sent_bytes < 1500:
            await asyncio.sleep(0.02)
        stop.set()
        await running

    async def scenario() -> None:
        stop = asyncio.Event()
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            aggregator = service(artifact, any_broker.urls, tmp_path / "aggregator")
            tasks.create_task(aggregator.run(stop))
            for _ in range(3):
                await life()
            stop.set()

    with caplog.at_level(logging.INFO):
        asyncio.run(scenario())
    assert lines(caplog, "at once, with one key") == []
