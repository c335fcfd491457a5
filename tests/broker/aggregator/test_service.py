"""What the aggregator's process adds to its core; a federation is run with the agent's tests."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import time
import typing
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pytest

import broker.aggregator.service
from broker.aggregator import events
from broker.aggregator.errors import StateError
from broker.aggregator.events import RoundAbandoned, RoundCommitted
from broker.aggregator.service import AggregatorService, describe, task_of
from broker.aggregator.settings import AggregatorSettings, RoundSettings
from broker.deploy.embedded import EmbeddedBroker
from broker.deploy.nats_cluster import NatsCluster
from broker.keys import KEY_FILE, load_or_make_seed
from broker.link import MqttLink
from broker.protocol import sealed
from broker.protocol.effects import Publish, Subscribe
from broker.protocol.messages import AggregatorPresence, ModelAnnouncement, PlanKind
from broker.protocol.model_blob import pack_model
from broker.protocol.signing import Ed25519Signer
from broker.protocol.topics import Topics
from broker.settings import BrokerSettings
from models.artifact import load_artifact
from models.normalisation import Normalisation

LIMIT_S = 20.0
Broker = EmbeddedBroker | NatsCluster
M = TypeVar("M")
NOWHERE = BrokerSettings("mqtt://127.0.0.1:1")
ARTIFACT = load_artifact("heart-logistic")


class Watcher(Generic[M]):
    """Sees what the aggregator says on one topic."""

    def __init__(self, topic: str, kind: type[M]) -> None:
        self.link: MqttLink
        self._topic, self._kind = topic, kind
        self.seen: list[M] = []
        self.changed = asyncio.Event()

    def connected(self) -> None:
        self.link.apply(Subscribe(self._topic))

    def disconnected(self) -> None:
        pass

    def published(self, token: str) -> None:
        pass

    def received(self, topic: str, payload: bytes) -> None:
        self.seen.append(sealed.peek(payload, self._kind))
        self.changed.set()


def test_it_says_that_it_is_there_and_in_the_end_that_it_is_not(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    async def scenario() -> list[AggregatorPresence]:
        settings = BrokerSettings(broker.url)
        watcher = Watcher(Topics("ward").aggregator, AggregatorPresence)
        watcher.link = MqttLink(settings, "watcher", Publish("w", b""), watcher)
        watcher.link.open()
        stop = asyncio.Event()
        service = AggregatorService(AggregatorSettings("ward"), settings, ARTIFACT, tmp_path)
        running = asyncio.create_task(service.run(stop))
        try:
            async with asyncio.timeout(LIMIT_S):
                for online in (True, False):
                    while not any(presence.online is online for presence in watcher.seen):
                        watcher.changed.clear()
                        await watcher.changed.wait()
                    stop.set()
                await running
        finally:
            await watcher.link.close()
        return watcher.seen

    seen = asyncio.run(scenario())
    public = Ed25519Signer(load_or_make_seed(tmp_path / KEY_FILE)).public
    birth = seen[0].birth
    assert seen == [AggregatorPresence(birth, public, online=online) for online in (True, False)]
    # Unix milliseconds: one that has lost its state is not taken for an older one.
    assert abs(birth - 1000 * time.time()) < 1000 * LIMIT_S


def test_the_last_version_is_said_although_nothing_is_left_to_do(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    settings = AggregatorSettings("ward", RoundSettings(rounds=1))
    where = BrokerSettings(broker.url)
    # A crash came between the commit of the last version and the word of it.
    task = task_of(ARTIFACT)
    known = Normalisation((0.0,) * task.channels, (1.0,) * task.channels)
    with closing(AggregatorService(settings, where, ARTIFACT, tmp_path)._log) as found:
        found.found(pack_model(0, task.artifact, known, task.initial))
    with closing(sqlite3.connect(tmp_path / "rounds.sqlite")) as log, log:
        log.execute("UPDATE version SET version = 1")

    async def scenario() -> ModelAnnouncement:
        watcher = Watcher(Topics("ward").model, ModelAnnouncement)
        watcher.link = MqttLink(where, "watcher", Publish("w", b""), watcher)
        async with asyncio.timeout(LIMIT_S):
            service = AggregatorService(settings, where, ARTIFACT, tmp_path)
            assert service._coordinator.finished
            assert not service._done
            await service.run(asyncio.Event())
            watcher.link.open()
            await watcher.changed.wait()
        await watcher.link.close()
        (seen,) = watcher.seen
        return seen

    assert asyncio.run(scenario()).version == 1


def test_a_task_is_what_the_artifact_says() -> None:
    task = task_of(ARTIFACT)
    assert task.artifact.hex() == ARTIFACT.spec.digest
    assert np.array_equal(task.initial, ARTIFACT.initial_parameters())
    assert (task.channels, task.normalisation) == (13, ARTIFACT.spec.normalisation)


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = AggregatorSettings("ward")
    with pytest.raises(StateError, match="Not a directory"):
        AggregatorService(settings, BrokerSettings(), ARTIFACT, tmp_path / "file" / "state")


def test_every_event_has_its_line() -> None:
    for kind in typing.get_args(events.Event):
        values = [
            0.5 if h == "float" else "x" if h == "str" else 1 for h in kind.__annotations__.values()
        ]
        level, line = describe(kind(*values))
        assert level in (logging.INFO, logging.WARNING, logging.ERROR)
        assert line


def test_what_went_wrong_is_a_warning() -> None:
    assert describe(RoundAbandoned(3, 5, 1)) == (
        logging.WARNING,
        "round 3 is abandoned: 1 of 5 reported; trying again in 0 s",
    )
    level, line = describe(RoundCommitted(3, PlanKind.TRAIN, 2, 5, 4))
    assert (level, line) == (logging.INFO, "round 3 is committed: version 2 of 4/5 updates")


def test_a_full_disk_is_said_once_and_outlived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker.aggregator.service, "_TICK_S", 0.001)

    async def scenario() -> int:
        found = AggregatorService(AggregatorSettings("ward"), NOWHERE, ARTIFACT, tmp_path)
        database = found._log._db
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        stop, ticks = asyncio.Event(), 0

        def tick(now: float) -> list[object]:
            nonlocal ticks
            ticks += 1
            full = ticks < 4
            database.execute(f"PRAGMA max_page_count={pages if full else 100_000}")
            database.execute("CREATE TABLE IF NOT EXISTS large (x)")
            database.execute("INSERT INTO large VALUES (?)", (bytes(100_000),))
            stop.set()
            return []

        monkeypatch.setattr(found._coordinator, "tick", tick)
        async with asyncio.timeout(LIMIT_S):
            await found.run(stop)
        return ticks

    with caplog.at_level(logging.ERROR, "broker.aggregator"):
        assert asyncio.run(scenario()) == 4
    said = [r.getMessage() for r in caplog.records if r.name == "broker.aggregator.service"]
    assert len(said) == 1
    assert said[0].endswith("database or disk is full; trying again")


def test_a_log_that_is_damaged_meanwhile_ends_it_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker.aggregator.service, "_TICK_S", 0.001)

    async def scenario() -> None:
        found = AggregatorService(AggregatorSettings("ward"), NOWHERE, ARTIFACT, tmp_path)

        def tick(now: float) -> list[object]:
            (tmp_path / "other").write_bytes(b"no database" * 500)
            sqlite3.connect(tmp_path / "other").execute("SELECT * FROM t")
            return []

        monkeypatch.setattr(found._coordinator, "tick", tick)
        async with asyncio.timeout(LIMIT_S):
            await found.run(asyncio.Event())

    with pytest.raises(StateError, match=r"rounds.sqlite: file is not a database"):
        asyncio.run(scenario())


def test_what_a_broker_retains_of_a_life_that_was_forgotten_is_cleared(
    any_broker: Broker, tmp_path: Path
) -> None:
    task = task_of(ARTIFACT)
    known = Normalisation((0.0,) * task.channels, (1.0,) * task.channels)
    blob = pack_model(0, task.artifact, known, task.initial)
    topics, where = Topics("ward"), BrokerSettings(urls=any_broker.urls)
    lost = {topics.blob_chunk(hashlib.sha256(bytes([n])).digest(), n) for n in range(5)}
    ours = {topics.blob_chunk(hashlib.sha256(blob).digest(), 0)}

    async def scenario() -> None:
        retained, stop = Retained(topics.all_blob_chunks), asyncio.Event()
        retained.link = MqttLink(where, "watcher", Publish("w", b""), retained)
        retained.link.open()
        for topic in lost:
            retained.link.apply(Publish(topic, b"of a version that nobody knows", retain=True))
        await retained.until(lost)
        service = AggregatorService(AggregatorSettings("ward"), where, ARTIFACT, tmp_path)
        service._log.found(blob)
        running = asyncio.create_task(service.run(stop))
        await retained.until(ours)
        stop.set()
        await running
        await retained.link.close()

    asyncio.run(scenario())


class Retained(Watcher[bytes]):
    """Holds what is retained below one filter."""

    def __init__(self, topic: str) -> None:
        super().__init__(topic, bytes)
        self.held: set[str] = set()

    async def until(self, held: set[str]) -> None:
        """Wait until this is all that is retained."""
        async with asyncio.timeout(LIMIT_S):
            while self.held != held:
                self.changed.clear()
                await self.changed.wait()

    def received(self, topic: str, payload: bytes) -> None:
        (self.held.add if payload else self.held.discard)(topic)
        self.changed.set()
