"""Steps from version to version: what the coordinator publishes, keeps and forgets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from broker.aggregator.coordinator import Coordinator
from broker.aggregator.model_steps import ANNOUNCED_STEPS, RETAINED_STEPS
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.aggregator.task import Task
from broker.protocol import sealed, wire
from broker.protocol.compression import Layout
from broker.protocol.effects import Publish
from broker.protocol.messages import (
    BlobReference,
    Chunk,
    GatewayPresence,
    GatewayState,
    ModelAnnouncement,
    Plan,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.model_blob import unpack_model
from broker.protocol.model_delta import step_model
from broker.protocol.signing import Ed25519Signer
from broker.protocol.topics import Topics
from broker.protocol.transfer import Assembly, cut, refer
from models.normalisation import Normalisation

ARTIFACT = b"a" * 32
PARAMETERS = 600
INITIAL = np.linspace(-1, 1, PARAMETERS, dtype=np.float32)
TOPICS = Topics("ward")
NOW = 1_000_000.0
AGGREGATOR, GATEWAY = Ed25519Signer(b"a" * 32), Ed25519Signer(b"g" * 32)


class Ward:
    """One coordinator on a log, one gateway's answers, and what a broker retains."""

    def __init__(self, path: Path, model_codec: str = "q8", momentum: float = 0.0) -> None:
        self._path = path
        training = TrainingSettings(codec="none", model_codec=model_codec, server_momentum=momentum)
        rounds = RoundSettings(min_gateways=1, min_reports=1, min_examples=1)
        self._settings = AggregatorSettings("ward", rounds, training, chunk_bytes=256)
        self.retained: dict[str, bytes] = {}
        self.logs: list[RoundLog] = []
        self.restart()

    def restart(self) -> None:
        """As after SIGKILL: a new process on the same log."""
        self.logs.append(RoundLog(self._path, "ward", ARTIFACT))
        task = Task(ARTIFACT, INITIAL, 1, Normalisation((0.0,), (1.0,)))
        self.core = Coordinator(self._settings, task, self.logs[-1], AGGREGATOR)
        self._take(self.core.connected())
        topic = TOPICS.presence("g1")
        presence = GatewayPresence(
            "g1", 1, bytes(8), GATEWAY.public, GatewayState.READY, ARTIFACT, 50, None, 0, 0
        )
        self._take(self.core.receive(topic, sealed.seal(presence, topic, GATEWAY), NOW))

    def commit(self, change: np.ndarray, *, published: bool = True) -> None:
        """Answer the open plan; ``published``: the process lives to say what comes of it."""
        plan = self.plan
        payload = change.astype("<f4").tobytes()
        update = UpdateId(plan.plan, plan.version, "g1", plan.version + 1)
        offer = UpdateOffer(update, "none", 50, 0.5, refer(payload, 256))
        topic = TOPICS.offer("g1")
        self._take(self.core.receive(topic, sealed.seal(offer, topic, GATEWAY), NOW))
        for chunk in cut(payload, offer.payload, range(offer.payload.chunks)):
            topic = TOPICS.update_chunk("g1", chunk.digest, chunk.index)
            effects = self.core.receive(topic, wire.encode(chunk), NOW)
            if published:
                self._take(effects)

    def _take(self, effects: list[object]) -> None:
        for effect in effects:
            if isinstance(effect, Publish) and effect.retain:
                self.retained[effect.topic] = effect.payload

    @property
    def plan(self) -> Plan:
        return sealed.peek(self.retained[TOPICS.plan], Plan)

    @property
    def announced(self) -> ModelAnnouncement:
        return sealed.peek(self.retained[TOPICS.model], ModelAnnouncement)

    def blob(self, reference: BlobReference) -> bytes:
        """Fetch a blob as a gateway does."""
        assembly = Assembly(reference)
        for index in range(reference.chunks):
            payload = self.retained[TOPICS.blob_chunk(reference.digest, index)]
            assembly.add(wire.decode(payload, Chunk))
        return assembly.blob()

    @property
    def retained_blobs(self) -> set[bytes]:
        return {
            bytes.fromhex(topic.split("/")[4])
            for topic, payload in self.retained.items()
            if payload and topic.startswith(f"{TOPICS.root}/blob/")
        }


Open = Callable[..., Ward]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Open]:
    wards: list[Ward] = []

    def open_it(name: str = "log", **options: object) -> Ward:
        wards.append(Ward(tmp_path / name, **options))  # type: ignore[arg-type]  # as its own
        return wards[-1]

    yield open_it
    for found in wards:
        for log in found.logs:
            log.close()


def drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, PARAMETERS).astype(np.float32)


def parameters(blob: bytes) -> np.ndarray:
    return unpack_model(blob, ARTIFACT, PARAMETERS)[2]


def test_steps_and_whole_give_the_same_bytes(ward: Open) -> None:
    found = ward()
    blobs = [found.blob(found.announced.model)]
    for seed in range(7):
        found.commit(drawn(seed))
        said = found.announced
        assert (said.model, said.deltas) == (found.plan.model, found.plan.deltas)
        assert [d.version for d in said.deltas] == list(range(seed + 1))[-ANNOUNCED_STEPS:]
        blobs.append(found.blob(said.model))
        made = blobs[said.deltas[0].version]
        for step in said.deltas:
            assert hashlib.sha256(made).digest() == step.base
            made = step_model(made, found.blob(step.blob), Layout.plain(PARAMETERS))
        assert made == blobs[-1]
        assert hashlib.sha256(made).digest() == said.model.digest
        assert said.deltas[-1].blob.size < 0.35 * said.model.size


def test_what_the_codec_loses_is_carried_also_over_crashes(ward: Open) -> None:
    found = ward(model_codec="topk=0.1|q8")
    meant = INITIAL.astype(np.float64)
    for seed in range(5):
        found.commit(drawn(seed))
        meant += drawn(seed)
        if seed % 2:
            found.restart()
    carry = found.logs[-1].carry()
    assert carry is not None
    reached = parameters(found.blob(found.announced.model))
    assert np.abs(meant - reached).max() > 0.05
    np.testing.assert_allclose(reached + carry, meant, atol=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_kill_between_commit_and_publication_changes_no_byte(ward: Open, momentum: float) -> None:
    whole, cut_off = ward("whole", momentum=momentum), ward("cut", momentum=momentum)
    for seed in range(7):
        whole.commit(drawn(seed))
        cut_off.commit(drawn(seed), published=False)
        cut_off.restart()
        assert cut_off.announced.model == whole.announced.model
        assert cut_off.announced.deltas == whole.announced.deltas
        assert cut_off.retained_blobs == whole.retained_blobs


def test_steps_are_forgotten_with_time_but_not_those_of_a_plan_that_still_counts(
    ward: Open,
) -> None:
    found = ward()
    plans = [found.plan]
    for seed in range(9):
        found.commit(drawn(seed))
        plans.append(found.plan)
        asked = [p for plan in plans[-2:] for p in (plan.model, *(d.blob for d in plan.deltas))]
        assert {p.digest for p in asked if p is not None} <= found.retained_blobs
        assert len(found.retained_blobs) <= 2 + RETAINED_STEPS


def test_momentum_goes_by_the_versions_as_they_are(ward: Open) -> None:
    """The velocity is the difference of two published versions, whatever the codec lost."""
    found = ward(momentum=0.5)
    versions = [INITIAL]
    for seed in range(4):
        carry = found.logs[-1].carry()
        found.commit(drawn(seed))
        versions.append(parameters(found.blob(found.announced.model)))
        meant = versions[-2] + drawn(seed) + (0 if carry is None else carry)
        if seed:
            meant = meant + 0.5 * (versions[-2] - versions[-3])
        after = found.logs[-1].carry()
        assert after is not None
        np.testing.assert_allclose(versions[-1] + after, meant, atol=1e-5)


def test_without_a_model_codec_there_are_no_steps(ward: Open) -> None:
    found = ward(model_codec="none")
    found.commit(drawn(0))
    assert found.announced.deltas == found.plan.deltas == ()
    expected = INITIAL + drawn(0)
    np.testing.assert_allclose(parameters(found.blob(found.announced.model)), expected, atol=1e-7)
    assert found.logs[-1].carry() is None
