"""State that was lost or restored from a backup, on either side: the federation goes on."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from broker.aggregator.coordinator import Coordinator
from broker.aggregator.events import GatewayRestored, UpdateAccepted, UpdateRefused
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.aggregator.task import Task
from broker.protocol import sealed
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.loopback import LoopbackBroker
from broker.protocol.messages import ModelAnnouncement
from broker.protocol.model_blob import unpack_model
from broker.protocol.topics import Topics
from edge_agent.effects import Identity, Install, Note, StartWork
from edge_agent.journal import Journal
from edge_agent.participant import Participant
from edge_agent.trainer import Trained
from models.normalisation import Normalisation
from perfuse.simulation.identities import session_of, signer_of

PARAMETERS = 40
ARTIFACT = hashlib.sha256(b"artifact").digest()
KNOWN = Normalisation((0.0, 1.0), (1.0, 2.0))
TASK = Task(ARTIFACT, np.zeros(PARAMETERS, np.float32), 2, KNOWN)
NAMES = ("g1", "g2", "g3")
TOPICS = Topics("ward")
START_S = 1_700_000_000.0


class Ward:
    """Real cores on files, around a broker that retains; time passes when it is told to."""

    def __init__(self, folder):
        self.folder = folder
        self.now = START_S
        self.broker = LoopbackBroker()
        self.core = self.log = None
        self.gateways, self.journals, self.lives = {}, {}, {}
        self.events, self.notes, self.installed, self.worked = [], [], {}, []
        self.jobs, self.offline = [], set()

    def close(self):
        for opened in (self.log, *self.journals.values()):
            if opened is not None:
                opened.close()

    def start_aggregator(self, *, numbered=True):
        if self.log is not None:
            self.log.close()
        rounds = RoundSettings(
            rounds=1000, min_gateways=3, min_reports=3, min_examples=1, deadline_s=60, backoff_s=1
        )
        training = TrainingSettings(codec="none", model_codec="none", server_momentum=0.0)
        settings = AggregatorSettings("ward", rounds, training)
        self.log = RoundLog(self.folder / "rounds.sqlite", "ward", ARTIFACT)
        began_ms = int(self.now * 1000) if numbered else 0
        core = Coordinator(settings, TASK, self.log, signer_of("aggregator"), None, began_ms)
        self.core = core
        self.broker.connect(
            "aggregator",
            lambda topic, payload: self._heard(core.receive(topic, payload, self.now)),
            lambda token: None,
        )
        self._heard(core.connected())

    def start_gateway(self, name):
        self.lives[name] = self.lives.get(name, 0) + 1
        if name in self.journals:
            self.journals[name].close()
        journal = Journal(self.folder / name, f"ward/{name}", ARTIFACT)
        self.journals[name] = journal
        session = session_of(name, self.lives[name])
        identity = Identity("ward", name, ARTIFACT, PARAMETERS)
        core = Participant(identity, journal, signer_of(name), session)
        self.gateways[name] = core
        self.broker.connect(
            name,
            lambda topic, payload: self._did(name, core.receive(topic, payload, self.now)),
            lambda token: self._did(name, core.published(token, self.now)),
        )
        self._did(name, core.started())
        self._did(name, core.examples(50, self.now))
        self._did(name, core.connected(self.now))

    def run(self, seconds):
        for _ in range(seconds):
            self.broker.pump()
            self.now += 1.0
            jobs, self.jobs = self.jobs, []
            for name, plan in jobs:
                self._work(name, plan)
            self._heard(self.core.tick(self.now))
            for name, core in self.gateways.items():
                self._did(name, core.tick(self.now))

    def run_until_version(self, version, limit_s=300):
        for _ in range(limit_s):
            if self.log.latest_version() is not None and self.log.latest_version() >= version:
                return True
            self.run(1)
        return False

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def retained(self, topic, kind):
        return sealed.peek(self.broker._retained[topic], kind)

    def _work(self, name, plan):
        """Every gateway moves every parameter by one, and so does every version."""
        self.worked.append((name, plan.plan))
        learnt = Trained(np.ones(PARAMETERS, np.float32), 50, 0.5, 2)
        self._did(name, self.gateways[name].worked(plan, learnt, self.now))

    def _heard(self, effects):
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                self.broker.apply("aggregator", effect)
            else:
                self.events.append(effect)

    def _did(self, name, effects):
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                lost = name in self.offline and isinstance(effect, Publish)
                if not (lost and effect.topic == TOPICS.offer(name)):
                    self.broker.apply(name, effect)
            elif isinstance(effect, StartWork):
                self.jobs.append((name, effect.plan))
            elif isinstance(effect, Install):
                self.installed.setdefault(name, []).append(effect.model.version)
            elif isinstance(effect, Note):
                self.notes.append((name, effect.text))


@pytest.fixture
def ward(tmp_path):
    made = Ward(tmp_path)
    made.start_aggregator()
    for name in NAMES:
        made.start_gateway(name)
    assert made.run_until_version(3)
    yield made
    made.close()


def backup(ward, file, name):
    """As docs/configuration.md says: sqlite3 FILE .backup."""
    paths = (ward.folder / file, ward.folder / name)
    with closing(sqlite3.connect(paths[0])) as source, closing(sqlite3.connect(paths[1])) as target:
        source.backup(target)


def restore(ward, file, name=None):
    for end in ("", "-wal", "-shm"):
        (ward.folder / f"{file}{end}").unlink(missing_ok=True)
    if name is not None:
        shutil.copy(ward.folder / name, ward.folder / file)


def require_sound(ward):
    """A version is as many steps as it counts, and no update was folded twice."""
    version = ward.log.latest_version()
    _, _, parameters = unpack_model(ward.log.blob(version), ARTIFACT, PARAMETERS)
    np.testing.assert_allclose(parameters, version, rtol=1e-6)
    accepted = [(e.round, e.gateway) for e in ward.of(UpdateAccepted)]
    assert len(accepted) == len(set(accepted))


def test_an_aggregator_that_has_lost_its_log_is_not_refused(ward):
    """With its key: it counts versions from 0 again, and gateways train for it at once."""
    epoch = ward.retained(TOPICS.model, ModelAnnouncement).epoch
    plans = {plan for _, plan in ward.worked}
    ward.run(10)
    newest = ward.log.latest_version()
    assert newest > 3
    ward.log.close()
    ward.log = None
    restore(ward, "rounds.sqlite")
    ward.worked.clear()
    ward.start_aggregator()
    assert ward.run_until_version(2)
    assert ward.retained(TOPICS.model, ModelAnnouncement).epoch > epoch
    assert not plans & {plan for _, plan in ward.worked}
    for name in NAMES:
        assert any(n == name and "has gone back to version 0" in text for n, text in ward.notes)
        # What infers stays, until there is a higher version.
        assert ward.installed[name][-1] == newest
    assert ward.run_until_version(newest + 1, limit_s=2000)
    ward.run(2)
    assert all(ward.installed[name] == sorted(set(ward.installed[name])) for name in NAMES)
    assert all(ward.installed[name][-1] > newest for name in NAMES)


def test_numbers_without_a_clock_would_be_refused_for_ever(ward):
    """Why epochs are counted from the clock: what the test above shows can fail."""
    ward.log.close()
    ward.log = None
    restore(ward, "rounds.sqlite")
    ward.start_aggregator(numbered=False)
    assert not ward.run_until_version(1)


def test_an_aggregator_from_a_backup_folds_nothing_of_what_it_has_forgotten(ward):
    """An update for a plan of the lost time waits at a gateway: its base is no version any more."""
    backup(ward, "rounds.sqlite", "rounds.backup")
    at = ward.log.latest_version()
    assert ward.run_until_version(at + 3)
    ward.offline.add("g3")  # it works, and its offers get lost
    ward.run(5)
    pending, _ = ward.journals["g3"].pending()
    assert pending.update.version >= at + 3
    ward.log.close()
    ward.log = None
    restore(ward, "rounds.sqlite", "rounds.backup")
    ward.events.clear()
    ward.offline.clear()
    ward.start_aggregator()
    assert ward.run_until_version(at + 3)
    assert not ward.journals["g3"].is_pending(pending.update)
    # Its plan's number came again, with another base; its name did not.
    assert ward.run_until_version(pending.update.version + 2)
    assert ward.log.plan(pending.update.plan) is None
    refused = [e.reason for e in ward.of(UpdateRefused) if e.gateway == "g3"]
    assert refused == ["no such plan was published"]
    assert {e.gateway for e in ward.of(UpdateAccepted)} == set(NAMES)
    require_sound(ward)


def test_a_gateway_from_a_backup_is_asked_again_and_counts_once(ward):
    backup(ward, "g1", "g1.backup")
    for _ in range(3):
        ward.start_gateway("g1")
    assert ward.run_until_version(ward.log.latest_version() + 2)
    done = {plan for name, plan in ward.worked if name == "g1"}
    ward.journals.pop("g1").close()
    restore(ward, "g1", "g1.backup")
    ward.events.clear()
    ward.worked.clear()
    before = ward.log.latest_version()
    ward.start_gateway("g1")
    assert ward.run_until_version(before + 3)
    ward.run(40)
    (restored,) = ward.of(GatewayRestored)
    assert (restored.gateway, restored.birth < restored.before) == ("g1", True)
    assert {plan for name, plan in ward.worked if name == "g1"} - done
    assert "g1" in {e.gateway for e in ward.of(UpdateAccepted)}
    require_sound(ward)
