"""The agent as a whole: real sensors' frames, a real broker, a real aggregator, one process."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import edge_agent.agent
import edge_agent.work
from broker.aggregator.round_log import RoundLog
from broker.aggregator.service import AggregatorService
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.deploy.embedded import EmbeddedBroker
from broker.link import steady_unix_s
from broker.protocol.cohort import Cohort
from broker.protocol.messages import Plan, PlanKind, TrainingPlan
from broker.protocol.model_blob import pack_model, unpack_model
from broker.protocol.transfer import refer
from broker.settings import BrokerSettings
from edge_agent.agent import Agent
from edge_agent.alerts import AlertLog
from edge_agent.eligibility import EligibilitySettings
from edge_agent.errors import StorageError
from edge_agent.examples import ExampleStore
from edge_agent.journal import Journal
from edge_agent.labels import Annotation
from edge_agent.link_settings import LinkSettings
from edge_agent.machine import Machine
from edge_agent.settings import AgentSettings, AlertSettings
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.replay import ReplaySource
from firmware_bridge.sample import Channel
from models.artifact import Artifact
from models.normalisation import Normalisation

LIMIT_S = 60.0
STEP_NS = 20_000_000
NOWHERE = "mqtt://127.0.0.1:1"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


def session(
    artifact: Artifact, seed: int, label: bool = True, off_body: bool = False
) -> RecordedSession:
    """Three exercises after each other, each swinging at its own rhythm."""
    generator = np.random.default_rng(seed)
    segments = []
    for kind in range(3):
        time = np.arange(3000)[:, None]
        swing = 1 + 0.4 * np.sin(2 * np.pi * (1 + 2 * kind) * time / 100 + np.arange(6))
        readings = (swing + 0.04 * generator.normal(size=swing.shape)).astype(np.float32)
        if off_body:
            readings[:] = readings[0]
        name = artifact.spec.classes[kind] if label else None
        segments.append(Segment(name, kind * 4000 * STEP_NS, readings))
    channels = tuple(Channel(c.name, c.unit) for c in artifact.spec.channels)
    return RecordedSession(channels, STEP_NS, tuple(segments))


def agent(
    artifact: Artifact,
    broker: str,
    state: Path,
    *,
    seed: int = 0,
    label: bool = True,
    alert: AlertSettings | None = None,
    off_body: bool = False,
    link: LinkSettings | None = None,
    eligibility: EligibilitySettings | None = None,
    machine: Machine | None = None,
) -> Agent:
    settings = AgentSettings(
        "ward",
        state.name,
        "shoulder-cnn1d",
        str(state),
        broker=BrokerSettings(broker),
        alert=alert or AlertSettings(),
        link=link or LinkSettings(),
        eligibility=eligibility or EligibilitySettings(),
    )
    recorded = session(artifact, seed, label, off_body)
    return Agent(settings, artifact, (ReplaySource("watch", recorded, math.inf),), machine)


async def federate(
    artifact: Artifact, broker: str, state: Path, agents: list[Agent], rounds: int
) -> None:
    """Run an aggregator to its end beside the agents."""
    settings = AggregatorSettings(
        "ward",
        RoundSettings(rounds=rounds, min_examples=20, deadline_s=30),
        TrainingSettings(local_epochs=4, learning_rate=0.05),
        chunk_bytes=4096,
    )
    service = AggregatorService(settings, BrokerSettings(broker), artifact, state)
    stop = asyncio.Event()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        for found in agents:
            tasks.create_task(found.run(stop))
        await service.run(asyncio.Event())
        stop.set()


def test_two_gateways_train_a_model_together_and_go_on_where_they_were(
    artifact: Artifact, broker: EmbeddedBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = bytes.fromhex(artifact.spec.digest)
    initial = artifact.initial_parameters()

    def version(state: Path) -> tuple[int, np.ndarray]:
        with closing(RoundLog(state / "rounds.sqlite", "ward", digest)) as log:
            newest = log.latest_version()
            assert newest is not None
            found = unpack_model(log.blob(newest), digest, artifact.spec.parameters)
        return found[0], found[2]

    def together(rounds: int) -> None:
        agents = [
            agent(artifact, broker.url, tmp_path / name, seed=seed)
            for seed, name in enumerate(("g1", "g2"))
        ]
        asyncio.run(federate(artifact, broker.url, tmp_path / "aggregator", agents, rounds))

    with caplog.at_level(logging.WARNING):
        together(2)
    number, parameters = version(tmp_path / "aggregator")
    assert number == 2
    assert not np.array_equal(parameters, initial)
    assert [r.message for r in caplog.records if "dropped" in r.message] == []
    with closing(sqlite3.connect(tmp_path / "aggregator" / "rounds.sqlite")) as db:
        plans = [row[0] for row in db.execute("SELECT plan_id FROM round ORDER BY number")]
    for name in ("g1", "g2"):
        with closing(
            Journal(tmp_path / name / "journal.sqlite", f"ward/{name}", digest)
        ) as journal:
            # The statistics and two rounds, each with its receipt; and a model that is installed.
            assert [journal.has_answered(plan) for plan in plans] == [True] * 3
            assert journal.pending() is None
            assert journal.latest_model() is not None
        shape = artifact.spec.input_shape
        with closing(ExampleStore(tmp_path / name / "examples.sqlite", shape, 4096)) as store:
            assert store.labelled(artifact.spec.classes) >= 80

    together(4)
    number, further = version(tmp_path / "aggregator")
    assert number == 4
    assert not np.array_equal(further, parameters)


def test_windows_are_alerted_on_and_annotated_without_a_broker(
    artifact: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What a gateway does for its wearer never waits for the link."""
    state = tmp_path / "g1"
    nowhere = f"mqtt://127.0.0.1:{EmbeddedBroker(tmp_path / 'none', 'amqtt').port}"
    digest = bytes.fromhex(artifact.spec.digest)
    state.mkdir()
    with closing(Journal(state / "journal.sqlite", "ward/g1", digest)) as journal:
        known = Normalisation((1.0,) * 6, (0.3,) * 6)
        blob = pack_model(7, digest, known, artifact.initial_parameters())
        journal.keep_model(7, hashlib.sha256(blob).digest(), blob)
    found = agent(
        artifact,
        nowhere,
        state,
        label=False,
        alert=AlertSettings(classes=artifact.spec.classes, min_probability=0.0, consecutive=2),
    )

    async def scenario() -> int:
        stop = asyncio.Event()
        running = asyncio.create_task(found.run(stop))
        async with asyncio.timeout(LIMIT_S):
            while not (labelled := found.annotate(Annotation(0, 2000 * STEP_NS, "PEN"))):
                await asyncio.sleep(0)
            stop.set()
            await running
        return labelled

    with caplog.at_level(logging.WARNING, "edge_agent"):
        assert asyncio.run(scenario()) >= 1
    with closing(AlertLog(state / "alerts.sqlite")) as log:
        alerts = log.all()
    assert alerts
    assert alerts[0].detection.version == 7
    assert any(record.message.startswith("ALERT") for record in caplog.records)


def test_a_sensor_that_does_not_read_its_wearer_is_said_and_neither_trains_nor_alerts(
    artifact: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "g1"
    nowhere = f"mqtt://127.0.0.1:{EmbeddedBroker(tmp_path / 'none', 'amqtt').port}"
    digest = bytes.fromhex(artifact.spec.digest)
    state.mkdir()
    with closing(Journal(state / "journal.sqlite", "ward/g1", digest)) as journal:
        known = Normalisation((1.0,) * 6, (0.3,) * 6)
        blob = pack_model(7, digest, known, artifact.initial_parameters())
        journal.keep_model(7, hashlib.sha256(blob).digest(), blob)
    every = AlertSettings(classes=artifact.spec.classes, min_probability=0.0, consecutive=2)
    found = agent(artifact, nowhere, state, alert=every, off_body=True)

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(found.run(stop))
        async with asyncio.timeout(LIMIT_S):
            while not any("windows=" in census.line() for census in found._censuses):
                await asyncio.sleep(0)
            stop.set()
            await running

    with caplog.at_level(logging.INFO, "edge_agent"):
        asyncio.run(scenario())
    said = [record.message for record in caplog.records]
    assert "CHECK sensor watch: flatline; its alerts are held back" in said
    assert sum(line.startswith("held back: ") for line in said) >= 1
    assert any("unclean_flatline=" in line and " kept=" not in line for line in said)
    with closing(AlertLog(state / "alerts.sqlite")) as log:
        assert log.all() == []
    shape = artifact.spec.input_shape
    with closing(ExampleStore(state / "examples.sqlite", shape, 4096)) as store:
        assert len(store) == 0


@pytest.mark.parametrize("name", ["journal.sqlite", "examples.sqlite", "alerts.sqlite"])
def test_a_state_file_that_cannot_be_used_is_named(
    artifact: Artifact, tmp_path: Path, name: str
) -> None:
    state = tmp_path / "g1"
    state.mkdir()
    (state / name).mkdir()
    with pytest.raises(StorageError, match="unable to open") as caught:
        agent(artifact, "mqtt://127.0.0.1:1", state)
    assert caught.value.path.endswith(name)


def test_a_state_folder_that_cannot_be_made_is_named(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Not a directory"):
        agent(artifact, "mqtt://127.0.0.1:1", tmp_path / "file" / "g1")


def test_what_was_learnt_on_a_full_disk_is_sent_when_there_is_room(
    artifact: Artifact, broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_agent.agent, "_STORAGE_RETRY_S", 0.05)
    agents = [agent(artifact, broker.url, tmp_path / name, seed=i) for i, name in enumerate("ab")]
    full = agents[0]
    journal = full._journal._db
    (pages,) = journal.execute("PRAGMA page_count").fetchone()
    journal.execute(f"PRAGMA max_page_count={pages}")

    async def make_room() -> None:
        while not full._trouble:
            await asyncio.sleep(0.01)
        assert "full" in full._trouble
        journal.execute("PRAGMA max_page_count=1000000")

    async def scenario() -> None:
        room = asyncio.create_task(make_room())
        await federate(artifact, broker.url, tmp_path / "aggregator", agents, 2)
        await room

    asyncio.run(scenario())
    digest = bytes.fromhex(artifact.spec.digest)
    with closing(RoundLog(tmp_path / "aggregator" / "rounds.sqlite", "ward", digest)) as log:
        assert log.latest_version() == 2


def test_work_that_cannot_open_its_files_is_taken_up_when_it_can(
    artifact: Artifact,
    broker: EmbeddedBroker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a disk that is full just when a plan comes: the round must not wait in vain."""
    monkeypatch.setattr(edge_agent.agent, "_STORAGE_RETRY_S", 0.05)
    agents = [agent(artifact, broker.url, tmp_path / name, seed=i) for i, name in enumerate("ab")]
    in_the_way = tmp_path / "a" / "training.sqlite"
    in_the_way.mkdir()

    async def clear() -> None:
        while "is taken up again" not in caplog.text:
            await asyncio.sleep(0.01)
        in_the_way.rmdir()

    async def scenario() -> None:
        clearing = asyncio.create_task(clear())
        await federate(artifact, broker.url, tmp_path / "aggregator", agents, 2)
        await clearing

    asyncio.run(scenario())
    assert "training.sqlite: unable to open" in caplog.text
    assert "declined" not in caplog.text
    digest = bytes.fromhex(artifact.spec.digest)
    with closing(sqlite3.connect(tmp_path / "aggregator" / "rounds.sqlite")) as db:
        assert {row[0] for row in db.execute("SELECT state FROM round")} == {"committed"}
    with closing(RoundLog(tmp_path / "aggregator" / "rounds.sqlite", "ward", digest)) as log:
        assert log.latest_version() == 2


def test_a_state_file_that_is_damaged_meanwhile_ends_the_agent_with_its_name(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = agent(artifact, "mqtt://127.0.0.1:1", tmp_path / "g1")

    def damaged(now: float) -> list[object]:
        del now
        raise StorageError("journal.sqlite", "malformed", corrupt=True)

    monkeypatch.setattr(found._participant, "tick", damaged)
    with pytest.raises(StorageError, match="malformed"):
        asyncio.run(found.run(asyncio.Event()))


def test_a_gateway_whose_bytes_are_spent_takes_no_part_until_midnight(
    artifact: Artifact, broker: EmbeddedBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    state = tmp_path / "g1"
    link = LinkSettings("4g", daily_budget_bytes=100)

    async def spend() -> None:
        stop = asyncio.Event()
        found = agent(artifact, broker.url, state, link=link)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(found.run(stop))
            while "takes no part: budget: today's bytes are spent" not in caplog.text:
                assert not running.done()
                await asyncio.sleep(0.05)
            stop.set()

    asyncio.run(spend())
    digest = bytes.fromhex(artifact.spec.digest)
    with closing(Journal(state / "journal.sqlite", "ward/g1", digest)) as journal:
        assert journal.day_spent()[1] > 100


def planned(artifact: Artifact, state: Path, *, epochs: int, seconds: float) -> None:
    """Write the journal of a gateway that was asked for work by the plan ``ward.2``."""
    digest = bytes.fromhex(artifact.spec.digest)
    blob = pack_model(
        0, digest, Normalisation((5.0,) * 6, (1.5,) * 6), artifact.initial_parameters()
    )
    asked = Plan(
        epoch=1,
        plan="ward.2",
        kind=PlanKind.TRAIN,
        artifact=digest,
        version=0,
        model=refer(blob, 4096),
        cohort=Cohort.of((state.name,)),
        codec="none",
        training=TrainingPlan(epochs, 0.01, 0.9, 0.0),
        min_examples=10,
        deadline_unix_s=time.time() + seconds,
        seed=7,
    )
    state.mkdir()
    with closing(Journal(state / "journal.sqlite", f"ward/{state.name}", digest)) as journal:
        journal.keep_model(0, refer(blob, 4096).digest, blob)
        journal.keep_plan(asked)


def test_a_gateway_without_a_link_works_on_the_plan_of_its_last_life(
    artifact: Artifact, tmp_path: Path
) -> None:
    planned(artifact, tmp_path / "g1", epochs=1, seconds=86_400)
    found = agent(artifact, NOWHERE, tmp_path / "g1")

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(found.run(stop))
        async with asyncio.timeout(LIMIT_S):
            while not found._journal.has_answered("ward.2"):
                await asyncio.sleep(0.01)
            stop.set()
            await running

    asyncio.run(scenario())


@pytest.mark.parametrize("consent", [True, False])
def test_what_was_learnt_before_the_battery_was_low_is_handed_in_if_the_wearer_agrees(
    artifact: Artifact,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    consent: bool,
) -> None:
    """Real training that rests at the end of its plan's time."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(edge_agent.agent, "_TICK_S", 0.05)
    monkeypatch.setattr(edge_agent.agent, "_TICKS_PER_LOOK", 1)
    battery, agreed = tmp_path / "root" / "sys/class/power_supply/BAT0", tmp_path / "agreed"
    battery.mkdir(parents=True)
    for name, text in (("type", "Battery"), ("status", "Discharging"), ("capacity", "90")):
        (battery / name).write_text(text)
    agreed.touch()
    # Early in the plan's time, so that a slow machine has hours left to hand in.
    monkeypatch.setattr(edge_agent.work, "_SHARE_FOR_WORK", 2.0 / 86_400)
    planned(artifact, tmp_path / "g1", epochs=1000, seconds=86_400)
    found = agent(
        artifact,
        NOWHERE,
        tmp_path / "g1",
        eligibility=EligibilitySettings(consent_file=str(agreed)),
        machine=Machine(tmp_path / "root"),
    )

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(found.run(stop))
        async with asyncio.timeout(LIMIT_S):
            while "working on plan ward.2" not in caplog.text:
                await asyncio.sleep(0.01)
            (battery / "capacity").write_text("5")
            if not consent:
                agreed.unlink()
            if consent:
                while found._journal.pending() is None:
                    await asyncio.sleep(0.01)
            else:  # a few looks and ticks after the time for it has come
                await asyncio.sleep(2.5)
                assert not found._participant._work.working
                assert found._participant._work._finish_at < steady_unix_s()
            stop.set()
            await running

    asyncio.run(scenario())
    digest = bytes.fromhex(artifact.spec.digest)
    with closing(Journal(tmp_path / "g1" / "journal.sqlite", "ward/g1", digest)) as journal:
        pending = journal.pending()
    assert "takes no part: battery" in caplog.text
    assert (pending is not None) == consent
    if pending is not None:
        offer, payload = pending
        assert 0 < offer.share < 1
        assert np.frombuffer(payload, "<f4").any()
