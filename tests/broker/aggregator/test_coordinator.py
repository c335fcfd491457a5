"""The aggregator's core by scenarios: messages and time in, publications and events out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from broker.aggregator.coordinator import Coordinator, Effect
from broker.aggregator.events import (
    GatewayDoubled,
    GatewayRefused,
    MessageRefused,
    RoundAbandoned,
    RoundCommitted,
    RoundOpened,
    UpdateAccepted,
    UpdateRefused,
    UpdateUnreadable,
)
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import (
    AggregatorSettings,
    LinkCodecSettings,
    RoundSettings,
    TrainingSettings,
)
from broker.aggregator.task import Task
from broker.protocol import sealed, wire
from broker.protocol.cohort import MAX_COHORT, Cohort
from broker.protocol.compression import Shared, codec
from broker.protocol.effects import Publish, Subscribe
from broker.protocol.loopback import matches
from broker.protocol.messages import (
    AggregatorPresence,
    Chunk,
    ClockNotice,
    GatewayPresence,
    GatewayState,
    IdentityConflict,
    ModelAnnouncement,
    Plan,
    PlanKind,
    Receipt,
    ReceiptStatus,
    RejectReason,
    RetryReason,
    RoundAbandonment,
    UpdateId,
    UpdateOffer,
    Want,
)
from broker.protocol.model_blob import unpack_model
from broker.protocol.signing import Ed25519Signer
from broker.protocol.small_update import small
from broker.protocol.statistics import encode_sums
from broker.protocol.topics import Topics
from broker.protocol.transfer import Assembly, cut, indexes_of, refer
from models.normalisation import ChannelSums, Normalisation

ARTIFACT = b"a" * 32
PARAMETERS = 300
INITIAL = np.linspace(-1, 1, PARAMETERS, dtype=np.float32)
TOPICS = Topics("ward")
START = 1_000_000.0
KNOWN = Normalisation((0.0, 1.0), (1.0, 2.0))
AGGREGATOR = Ed25519Signer(b"a" * 32)
M = TypeVar("M")
Open = Callable[..., Coordinator]


def task(normalisation: Normalisation | None = KNOWN) -> Task:
    return Task(ARTIFACT, INITIAL, 2, normalisation)


def settings(**rounds: Any) -> AggregatorSettings:
    asked = {
        "min_gateways": 2,
        "min_reports": 2,
        "min_examples": 32,
        "deadline_s": 60.0,
        "backoff_s": 0.0,
    } | rounds
    training = TrainingSettings(codec="none", model_codec="none", server_momentum=0.0)
    return AggregatorSettings("ward", RoundSettings(**asked), training, chunk_bytes=512, seed=3)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens a coordinator on the one log of this test; the one before is as if killed."""
    logs: list[RoundLog] = []

    def open_it(
        told: AggregatorSettings | None = None, what: Task | None = None, name: str = "log"
    ) -> Coordinator:
        logs.append(RoundLog(tmp_path / name, "ward", ARTIFACT))
        return Coordinator(told or settings(), what or task(), logs[-1], AGGREGATOR)

    yield open_it
    for log in logs:
        log.close()


@cache
def key(gateway: str) -> Ed25519Signer:
    return Ed25519Signer(gateway.encode().ljust(32))


def presence(gateway: str, **changes: Any) -> bytes:
    signer = key(gateway)
    said = GatewayPresence(
        gateway, 1, b"s" * 8, signer.public, GatewayState.READY, ARTIFACT, 50, None, 0, 0
    )
    return sealed.seal(replace(said, **changes), TOPICS.presence(gateway), signer)


def arrive(core: Coordinator, *gateways: str, now: float = START) -> list[Effect]:
    effects: list[Effect] = []
    for gateway in gateways:
        effects += core.receive(TOPICS.presence(gateway), presence(gateway), now)
    return effects


def meet(core: Coordinator, gateway: str) -> None:
    """Let a gateway show its key that has too few examples to be asked."""
    core.receive(TOPICS.presence(gateway), presence(gateway, examples=1), START)


def published(effects: list[Effect], topic: str, kind: type[M]) -> list[M]:
    return [
        wire.decode(e.payload, kind)
        if kind is Chunk
        else sealed.unseal(e.payload, e.topic, kind, AGGREGATOR.public, AGGREGATOR)
        for e in effects
        if isinstance(e, Publish) and matches(topic, e.topic) and e.payload
    ]


def the_plan(effects: list[Effect]) -> Plan:
    (plan,) = published(effects, TOPICS.plan, Plan)
    return plan


def events(effects: list[Effect], kind: type[M]) -> list[M]:
    return [effect for effect in effects if isinstance(effect, kind)]


def replies(effects: list[Effect], gateway: str = "g1") -> list[object]:
    return [
        sealed.unseal_any(e.payload, e.topic, (Want, Receipt), AGGREGATOR.public, AGGREGATOR)
        for e in effects
        if isinstance(e, Publish) and e.topic == TOPICS.reply(gateway)
    ]


def delta(gateway: str, plan: Plan) -> np.ndarray:
    generator = np.random.default_rng((plan.version, int(gateway[1:])))
    return generator.normal(0, 0.1, PARAMETERS).astype(np.float32)


def answer(gateway: str, plan: Plan, **changes: Any) -> tuple[UpdateOffer, bytes]:
    payload = delta(gateway, plan).astype("<f4").tobytes()
    update = UpdateId(plan.plan, plan.version, gateway, plan.version + 1)
    offer = UpdateOffer(update, plan.codec, 40 + int(gateway[1:]), 0.5, refer(payload, 512))
    return replace(offer, **changes), payload


def say(core: Coordinator, offer: UpdateOffer, now: float = START) -> list[Effect]:
    gateway = offer.update.gateway
    topic = TOPICS.offer(gateway)
    return core.receive(topic, sealed.seal(offer, topic, key(gateway)), now)


def say_small(
    core: Coordinator, offer: UpdateOffer, payload: bytes, now: float = START
) -> list[Effect]:
    gateway = offer.update.gateway
    topic = TOPICS.offer(gateway)
    message = small(offer, payload)
    assert message is not None
    return core.receive(topic, sealed.seal(message, topic, key(gateway)), now)


def send(core: Coordinator, gateway: str, chunk: Chunk, now: float = START) -> list[Effect]:
    topic = TOPICS.update_chunk(gateway, chunk.digest, chunk.index)
    return core.receive(topic, wire.encode(chunk), now)


def asked(plan: Plan, *gateways: str) -> list[str]:
    return [gateway for gateway in gateways if gateway in plan.cohort]


def upload(
    core: Coordinator, offer: UpdateOffer, payload: bytes, now: float = START
) -> list[Effect]:
    """Offer an update and send whatever is wanted of it."""
    effects = say(core, offer, now)
    (want,) = (r for r in replies(effects, offer.update.gateway) if isinstance(r, Want))
    wanted = indexes_of(want.missing, offer.payload.chunks)
    for chunk in cut(payload, offer.payload, wanted):
        effects += send(core, offer.update.gateway, chunk, now)
    return effects


def opened_round(core: Coordinator, *gateways: str) -> Plan:
    return the_plan(arrive(core, *(gateways or ("g1", "g2"))))


def model_of(effects: list[Effect]) -> tuple[int, Normalisation, np.ndarray]:
    announcement = published(effects, TOPICS.model, ModelAnnouncement)[-1]
    assembly = Assembly(announcement.model)
    for chunk in published(effects, TOPICS.blob(announcement.model.digest), Chunk):
        assembly.add(chunk)
    found = unpack_model(assembly.blob(), ARTIFACT, PARAMETERS)
    assert found[0] == announcement.version
    return found


def test_a_round_goes_from_presence_to_a_new_version(opened: Open) -> None:
    core = opened()
    assert arrive(core, "g1") == []
    effects = arrive(core, "g2")
    plan = the_plan(effects)
    assert events(effects, RoundOpened) == [RoundOpened(1, PlanKind.TRAIN, 2)]
    assert (plan.version, plan.cohort, plan.codec) == (0, Cohort.of(("g1", "g2")), "none")
    assert plan.deadline_unix_s == START + 60

    offer, payload = answer("g1", plan)
    (want,) = replies(say(core, offer))
    assert want == Want(offer.update, offer.payload.digest, b"\x07")
    first, second, third = cut(payload, offer.payload, range(3))
    assert replies(send(core, "g1", third) + send(core, "g1", first)) == []
    effects = send(core, "g1", second)
    assert replies(effects) == [Receipt(offer.update, ReceiptStatus.ACCEPTED)]
    assert events(effects, UpdateAccepted) == [UpdateAccepted(1, "g1", 41, 0.5, 1200)]

    effects = upload(core, *answer("g2", plan))
    assert events(effects, RoundCommitted) == [RoundCommitted(1, PlanKind.TRAIN, 1, 2, 2)]
    deltas = np.stack([delta("g1", plan), delta("g2", plan)]).astype(np.float64)
    expected = (INITIAL + np.average(deltas, axis=0, weights=[41, 42])).astype(np.float32)
    version, normalisation, parameters = model_of(effects)
    assert (version, normalisation) == (1, KNOWN)
    assert np.array_equal(parameters, expected)
    following = the_plan(effects)
    assert (following.version, following.plan) == (1, "ward.2")
    assert following.epoch > plan.epoch


def test_a_version_is_published_though_the_disk_is_full_from_its_commit_on(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = opened()
    plan = opened_round(core)
    upload(core, *answer("g1", plan))
    commit, full = RoundLog.commit, []

    def fills(log: RoundLog, *what: Any, **how: Any) -> None:
        commit(log, *what, **how)
        full.append(True)

    def counts(log: RoundLog, name: str) -> int:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        return counter(log, name)

    counter = RoundLog.next_counter
    monkeypatch.setattr(RoundLog, "commit", fills)
    monkeypatch.setattr(RoundLog, "next_counter", counts)
    with pytest.raises(sqlite3.OperationalError):
        upload(core, *answer("g2", plan))
    full.clear()
    effects = core.tick(START + 1)
    version, _, _ = model_of(effects)
    assert (version, the_plan(effects).version) == (1, 1)
    accepted = replies(effects, "g2")
    assert [r.status for r in accepted if isinstance(r, Receipt)] == [ReceiptStatus.ACCEPTED]


def test_a_version_goes_on_the_way_of_the_last_one_even_after_a_crash(opened: Open) -> None:
    told = replace(
        settings(), training=TrainingSettings(codec="none", model_codec="none", server_momentum=0.5)
    )
    what = replace(task(), ranges=(slice(290, 300),))
    plan = the_plan(arrive(opened(told, what), "g1", "g2"))
    versions = [INITIAL]
    for _ in range(3):
        core = opened(told, what)
        plan = the_plan(core.connected())
        upload(core, *answer("g1", plan))
        core = opened(told, what)
        versions.append(model_of(upload(core, *answer("g2", plan)))[2])
        arrive(core, "g1", "g2")
        deltas = np.stack([delta("g1", plan), delta("g2", plan)]).astype(np.float64)
        step = np.average(deltas, axis=0, weights=[41, 42])
        if plan.version:
            step[:290] += 0.5 * (versions[-2] - versions[-3])[:290]
        np.testing.assert_allclose(versions[-1] - versions[-2], step, atol=1e-6)


def test_without_a_normalisation_the_first_cohort_is_asked_for_sums(opened: Open) -> None:
    core = opened(what=task(None))
    plan = opened_round(core)
    assert (plan.kind, plan.codec, plan.model) == (PlanKind.STATISTICS, "sums", None)
    rng = np.random.default_rng(1)
    readings = {g: rng.normal((3, -1), (2, 0.5), (100, 2)) for g in ("g1", "g2")}
    effects: list[Effect] = []
    for gateway, rows in readings.items():
        payload = encode_sums(ChannelSums.of(rows).to_vector())
        offer = answer(gateway, plan, payload=refer(payload, 512))[0]
        effects += upload(core, offer, payload)
    version, normalisation, parameters = model_of(effects)
    pooled = np.concatenate(list(readings.values()))
    assert version == 0
    assert np.allclose(normalisation.mean, pooled.mean(axis=0))
    assert np.allclose(normalisation.std, pooled.std(axis=0))
    assert np.array_equal(parameters, INITIAL)
    following = the_plan(effects)
    assert (following.kind, following.version) == (PlanKind.TRAIN, 0)


@pytest.mark.parametrize("sums", [[-1.0, 1, 1, 1, 1, 1], [1, 1, 1, 1, -1, 1], [1e300] * 6])
def test_sums_that_no_readings_give_are_rejected(opened: Open, sums: list[float]) -> None:
    core = opened(what=task(None))
    plan = opened_round(core)
    payload = encode_sums(np.array(sums))
    offer = answer("g1", plan, payload=refer(payload, 512))[0]
    assert replies(upload(core, offer, payload))[-1].status is ReceiptStatus.REJECTED  # type: ignore[attr-defined]


def test_a_cohort_is_drawn_by_the_seed(opened: Open) -> None:
    gateways = [f"g{i}" for i in range(20)]
    told = settings(cohort=5, min_gateways=20)
    cohorts = [opened_round(opened(told, name=n), *gateways).cohort for n in ("x", "y")]
    assert cohorts[0] == cohorts[1]
    assert len(cohorts[0]) == 5
    assert sum(gateway in cohorts[0] for gateway in gateways) == 5
    other = replace(told, seed=4)
    assert opened_round(opened(other, name="z"), *gateways).cohort != cohorts[0]


def test_a_plan_for_thousands_fits_what_every_broker_takes(opened: Open) -> None:
    core, names = opened(settings(min_gateways=5000)), [f"g{i:030}" for i in range(5000)]
    effects = arrive(core, *names)
    plan = the_plan(effects)
    assert len(plan.cohort) == 5000
    assert all(name in plan.cohort for name in names)
    assert not any(f"other-{i}" in plan.cohort for i in range(10_000))
    sizes = {e.topic: len(e.payload) for e in effects if isinstance(e, Publish)}
    assert 25_000 < sizes[TOPICS.plan] < 27_000
    # Each of them is known to have been asked.
    offer, payload = answer(names[-1], plan)
    assert replies(upload(core, offer, payload), names[-1])[-1].status is ReceiptStatus.ACCEPTED  # type: ignore[attr-defined]


def test_no_more_are_asked_than_a_plan_can_name(opened: Open) -> None:
    core = opened(settings(min_gateways=MAX_COHORT))
    core._roster._ready = sorted(f"{i:064}" for i in range(MAX_COHORT + 2))
    effects = core.tick(START)
    assert len(the_plan(effects).cohort) == MAX_COHORT
    assert max(len(e.payload) for e in effects if isinstance(e, Publish)) <= 128 * 1024


@pytest.mark.parametrize(
    "changes",
    [
        {"state": GatewayState.OFFLINE},
        {"examples": 31},
        {"artifact": b"b" * 32},
        {"obstacles": ("battery",)},
    ],
)
def test_who_cannot_take_part_is_not_asked(opened: Open, changes: dict[str, Any]) -> None:
    core = opened()
    arrive(core, "g1")
    assert core.receive(TOPICS.presence("g2"), presence("g2", **changes), START) == []
    assert opened_round(core, "g3").cohort == Cohort.of(("g1", "g3"))


def test_who_went_offline_is_not_asked_again(opened: Open) -> None:
    core = opened()
    arrive(core, "g1")
    core.receive(TOPICS.presence("g1"), presence("g1", state=GatewayState.OFFLINE), START)
    assert arrive(core, "g2") == []


def test_the_death_of_an_older_session_is_ignored(opened: Open) -> None:
    core = opened()
    core.receive(TOPICS.presence("g1"), presence("g1", birth=5), START)
    late = presence("g1", birth=4, state=GatewayState.OFFLINE)
    assert core.receive(TOPICS.presence("g1"), late, START) == []
    assert opened_round(core, "g2").cohort == Cohort.of(("g1", "g2"))


def test_an_update_that_is_durable_is_a_duplicate(opened: Open) -> None:
    core = opened()
    plan = opened_round(core)
    offer, payload = answer("g1", plan)
    upload(core, offer, payload)
    again = replace(offer, update=replace(offer.update, sequence=9))
    for said in (offer, again):
        effects = say(core, said)
        assert replies(effects) == [Receipt(said.update, ReceiptStatus.DUPLICATE)]
        assert events(effects, UpdateAccepted) == []
    # And still is when its round is over.
    upload(core, *answer("g2", plan))
    assert replies(say(core, offer)) == [Receipt(offer.update, ReceiptStatus.DUPLICATE)]


def test_two_updates_of_one_gateway_are_folded_once(opened: Open) -> None:
    core = opened()
    plan = opened_round(core)
    first, payload = answer("g1", plan)
    twin_payload = (-delta("g1", plan)).astype("<f4").tobytes()
    second = replace(
        first, update=replace(first.update, sequence=2), payload=refer(twin_payload, 512)
    )
    say(core, first)
    say(core, second)
    effects: list[Effect] = []
    for offer, data in ((first, payload), (second, twin_payload)):
        for chunk in cut(data, offer.payload, range(3)):
            effects += send(core, "g1", chunk)
    assert len(events(effects, UpdateAccepted)) == 1
    assert replies(say(core, first)) == [Receipt(first.update, ReceiptStatus.DUPLICATE)]


def test_an_update_of_a_round_that_is_over_is_stale(opened: Open) -> None:
    core = opened(settings(cohort=2, over_selection=0.5, min_gateways=3))
    plan = opened_round(core, "g1", "g2", "g3")
    late, _ = answer("g3", plan)
    upload(core, *answer("g1", plan))
    upload(core, *answer("g2", plan))
    effects = say(core, late)
    expected = Receipt(
        late.update, ReceiptStatus.STALE, detail="1 versions behind, at most 0 count"
    )
    assert replies(effects, "g3") == [expected]
    assert events(effects, UpdateRefused) == [
        UpdateRefused("g3", "1 versions behind, at most 0 count")
    ]


@pytest.mark.parametrize(
    ("gateway", "changes", "code", "reason"),
    [
        ("g9", {}, RejectReason.NOT_ASKED, "this gateway was not asked"),
        (
            "g1",
            {"update": UpdateId("ward.1", 4, "g1", 1)},
            RejectReason.WRONG_BASE,
            "base version 4, the plan says 0",
        ),
        ("g1", {"codec": "q8"}, RejectReason.WRONG_CODEC, "codec 'q8', the plan says 'none'"),
        (
            "g1",
            {"num_examples": 31},
            RejectReason.TOO_FEW_EXAMPLES,
            "31 examples, the plan asks for 32",
        ),
        (
            "g1",
            {"payload": refer(bytes(9000), 512)},
            RejectReason.TOO_LARGE,
            "9000 bytes, at most 5296 are needed",
        ),
    ],
)
def test_an_offer_that_was_not_asked_for_is_rejected_with_its_reason(
    opened: Open, gateway: str, changes: dict[str, Any], code: RejectReason, reason: str
) -> None:
    core = opened()
    offer, _ = answer(gateway, opened_round(core), **changes)
    meet(core, "g9")
    effects = say(core, offer)
    assert replies(effects, gateway) == [
        Receipt(offer.update, ReceiptStatus.REJECTED, rejected=code, detail=reason)
    ]
    assert events(effects, UpdateRefused) == [UpdateRefused(gateway, reason)]


def test_an_offer_in_countless_pieces_is_answered_or_dropped(opened: Open) -> None:
    core = opened()
    offer, payload = answer("g1", opened_round(core))
    tiny = replace(offer, payload=refer(payload, 1))
    (want,) = replies(say(core, tiny))
    assert isinstance(want, Want)


@pytest.mark.parametrize("payload", [b"12345678", np.full(PARAMETERS, np.inf, "<f4").tobytes()])
def test_a_payload_that_does_not_decode_is_rejected(opened: Open, payload: bytes) -> None:
    core = opened()
    offer, _ = answer("g1", opened_round(core), payload=refer(payload, 512))
    (_, receipt) = replies(upload(core, offer, payload))
    assert receipt.status is ReceiptStatus.REJECTED  # type: ignore[attr-defined]
    assert "payload" in receipt.detail  # type: ignore[attr-defined]


def test_damaged_chunks_are_rejected_and_the_update_can_come_again(opened: Open) -> None:
    core = opened()
    offer, payload = answer("g1", opened_round(core))
    effects = upload(core, offer, payload[:-1] + b"!")
    assert replies(effects)[-1].status is ReceiptStatus.REJECTED  # type: ignore[attr-defined]
    assert events(effects, UpdateAccepted) == []
    assert len(events(upload(core, offer, payload), UpdateAccepted)) == 1


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPICS.presence("g1"), b""),
        (TOPICS.presence("g1"), presence("g2")),
        (TOPICS.offer("g1"), b"\xff"),
        (TOPICS.offer("g1"), presence("g1")),
        (f"{TOPICS.root}/gateway/-/offer", presence("g1")),
        (f"{TOPICS.root}/gateway/g1/gossip", b""),
        (TOPICS.update_chunk("g1", b"d" * 32, 0), wire.encode(Chunk(b"e" * 32, 0, b"x"))),
        (TOPICS.update_chunk("g1", b"d" * 32, 1), wire.encode(Chunk(b"d" * 32, 0, b"x"))),
    ],
)
def test_what_is_malformed_is_dropped_whole_and_said(
    opened: Open, topic: str, payload: bytes
) -> None:
    core = opened()
    arrive(core, "g1")
    (refused,) = core.receive(topic, payload, START)
    assert isinstance(refused, MessageRefused)
    assert refused.topic == topic
    assert opened_round(core, "g3").cohort == Cohort.of(("g1", "g3"))


def test_one_gateway_does_not_speak_for_another(opened: Open) -> None:
    core = opened()
    offer, _ = answer("g1", opened_round(core))
    for signer in (key("g1"), key("g2")):
        sealed_offer = sealed.seal(offer, TOPICS.offer("g2"), signer)
        effects = core.receive(TOPICS.offer("g2"), sealed_offer, START)
        assert [type(effect) for effect in effects] == [MessageRefused]


def test_topics_of_others_are_no_business_of_ours(opened: Open) -> None:
    assert opened().receive(Topics("other").presence("g1"), b"\xff", START) == []


def test_at_the_deadline_enough_reports_commit(opened: Open) -> None:
    core = opened(settings(min_gateways=3))
    plan = opened_round(core, "g1", "g2", "g3")
    upload(core, *answer("g1", plan))
    upload(core, *answer("g2", plan))
    assert core.tick(START + 59) == []
    assert events(core.tick(START + 60), RoundCommitted) == [
        RoundCommitted(1, PlanKind.TRAIN, 1, 3, 2)
    ]


def test_a_round_that_misses_its_minimum_is_abandoned_and_tried_again(opened: Open) -> None:
    core = opened()
    plan = opened_round(core)
    upload(core, *answer("g1", plan))
    effects = core.tick(START + 60)
    assert events(effects, RoundAbandoned) == [RoundAbandoned(1, 2, 1)]
    again = the_plan(effects)
    assert (again.plan, again.version, again.seed != plan.seed) == ("ward.2", 0, True)
    assert again.deadline_unix_s == START + 120
    (said,) = published(effects, TOPICS.round, RoundAbandonment)
    assert (said.plan, said.reported, said.retry_after_s) == ("ward.1", 1, 0.0)
    # What g1 has reported counts, and it is not asked for it again.
    assert again.cohort == Cohort.of(("g2",))
    effects = upload(core, *answer("g2", again), now=START + 61)
    deltas = np.stack([delta("g1", plan), delta("g2", again)]).astype(np.float64)
    expected = (INITIAL + np.average(deltas, axis=0, weights=[41, 42])).astype(np.float32)
    assert np.array_equal(model_of(effects)[2], expected)


def test_the_rounds_that_were_asked_for_end_it(opened: Open) -> None:
    core = opened(settings(rounds=1))
    plan = opened_round(core)
    upload(core, *answer("g1", plan))
    assert not core.finished
    effects = upload(core, *answer("g2", plan))
    assert core.finished
    assert published(effects, TOPICS.plan, Plan) == []
    assert core.tick(START + 1e6) == []


def test_old_blobs_are_cleared_and_the_last_two_stay(opened: Open) -> None:
    core = opened()
    broker: dict[str, bytes] = {}
    digests = []
    effects = core.connected() + arrive(core, "g1", "g2")
    for _ in range(4):
        for effect in effects:
            if isinstance(effect, Publish) and effect.retain:
                broker[effect.topic] = effect.payload
        plan = sealed.peek(broker[TOPICS.plan], Plan)
        assert plan.model is not None
        digests.append(plan.model.digest)
        effects = upload(core, *answer("g1", plan)) + upload(core, *answer("g2", plan))
    held = {t for t, payload in broker.items() if payload and matches(f"{TOPICS.root}/blob/#", t)}
    assert {topic.split("/")[4] for topic in held} == {d.hex() for d in digests[-2:]}


def test_a_crash_between_a_commit_and_its_publications_leaves_no_old_blob(opened: Open) -> None:
    core = opened()
    for gateway in ("g1", "g2"):
        arrive(core, gateway)
    plans = []
    for _ in range(2):
        plans.append(the_plan(core.connected()))
        upload(core, *answer("g1", plans[-1]))
        upload(core, *answer("g2", plans[-1]))
    oldest = plans[0].model
    assert oldest is not None
    cleared = [e for e in opened().connected() if isinstance(e, Publish) and not e.payload]
    assert [(e.topic, e.retain) for e in cleared] == [
        (TOPICS.blob_chunk(oldest.digest, index), True) for index in range(oldest.chunks)
    ]


def test_a_connection_gets_everything_that_a_broker_may_have_forgotten(opened: Open) -> None:
    core = opened()
    plan = opened_round(core)
    effects = core.connected()
    filters = {e.topic_filter for e in effects if isinstance(e, Subscribe)}
    assert filters == {TOPICS.all_presence, TOPICS.all_offers, TOPICS.all_update_chunks}
    assert the_plan(effects) == plan
    assert model_of(effects)[0] == 0
    (alive,) = published(effects, TOPICS.aggregator, AggregatorPresence)
    assert alive == AggregatorPresence(core.birth, AGGREGATOR.public, online=True, pace_s=0.04)
    assert all(e.retain for e in effects if isinstance(e, Publish))
    will = core.will()
    assert sealed.peek(will.payload, AggregatorPresence) == replace(alive, online=False, pace_s=0.0)
    assert (will.topic, will.retain) == (TOPICS.aggregator, True)


def test_each_run_has_a_higher_birth(opened: Open) -> None:
    assert opened().birth < opened().birth


def test_announcements_grow_their_epoch(opened: Open) -> None:
    core = opened()
    said = [
        published(c.connected(), TOPICS.model, ModelAnnouncement)[0].epoch
        for c in (core, core, opened())
    ]
    assert said == sorted(set(said))


@pytest.mark.parametrize("killed_after", range(5))
def test_a_restart_in_a_round_gives_the_same_parameters_bit_for_bit(
    opened: Open, killed_after: int
) -> None:
    """``killed_after`` chunks of the second gateway of three, counted from its offer."""
    names = ("g1", "g2", "g3")
    told = settings(min_gateways=3, min_reports=3)
    whole = opened(told, name="whole")
    plan = opened_round(whole, *names)
    for name in names:
        effects = upload(whole, *answer(name, plan))
    expected = model_of(effects)[2]

    core = opened(told, name="cut")
    assert opened_round(core, *names) == plan
    upload(core, *answer("g1", plan))
    offer, payload = answer("g2", plan)
    chunks = list(cut(payload, offer.payload, range(3)))
    if killed_after:
        say(core, offer)
        for chunk in chunks[: killed_after - 1]:
            send(core, "g2", chunk)

    core = opened(told, name="cut")
    assert the_plan(core.connected()) == plan
    effects = say(core, offer)
    if killed_after == 4:
        assert replies(effects, "g2") == [Receipt(offer.update, ReceiptStatus.DUPLICATE)]
    else:
        (want,) = replies(effects, "g2")
        assert isinstance(want, Want)
        missing = indexes_of(want.missing, 3)
        assert missing == list(range(max(0, killed_after - 1), 3))
        for index in missing:
            send(core, "g2", chunks[index])
    effects = upload(core, *answer("g3", plan))
    assert events(effects, RoundCommitted) == [RoundCommitted(1, PlanKind.TRAIN, 1, 3, 3)]
    assert model_of(effects)[2].tobytes() == expected.tobytes()


@pytest.mark.parametrize("column", ["payload", "offer"])
def test_an_update_that_cannot_be_read_after_a_restart_is_said_and_holds_up_nothing(
    opened: Open, tmp_path: Path, column: str
) -> None:
    core = opened()
    plan = opened_round(core)
    lost, kept = answer("g1", plan), answer("g2", plan)
    upload(core, *lost)
    with closing(sqlite3.connect(tmp_path / "log")) as db, db:
        db.execute(f"UPDATE folded SET {column} = x'00'")
    core = opened()
    (said,) = events(core.connected(), UpdateUnreadable)
    assert (said.round, said.gateway) == (1, "g1")
    assert said.reason
    assert replies(say(core, lost[0]), "g1") == [Receipt(lost[0].update, ReceiptStatus.DUPLICATE)]
    assert events(opened().connected(), UpdateUnreadable) == []
    core = opened()
    upload(core, *kept)
    (abandoned,) = events(core.tick(START + 61), RoundAbandoned)
    assert abandoned.reported == 1
    again = the_plan(arrive(core, "g1", "g2", now=START + 61))
    assert "g1" in again.cohort
    assert "g2" not in again.cohort


@pytest.mark.parametrize("jump", [61.0, 86_400.0, -86_400.0])
def test_a_round_gets_its_time_after_a_restart_whatever_the_clock_did(
    opened: Open, jump: float
) -> None:
    before = opened_round(opened())
    now = START + jump
    core = opened()
    plan = the_plan(core.tick(now))
    assert (plan.plan, plan.deadline_unix_s) == (before.plan, now + 60)
    assert plan.epoch > before.epoch
    assert events(core.tick(now + 61), RoundAbandoned) == [RoundAbandoned(1, 2, 0)]


def test_a_restart_within_its_time_changes_nothing_of_a_round(opened: Open) -> None:
    told = settings(deadline_s=600.0)
    before = opened_round(opened(told))
    core = opened(told)
    assert published(core.tick(START + 500), TOPICS.plan, Plan) == []
    assert the_plan(core.connected()) == before


def notices(effects: list[Effect]) -> list[object]:
    return [
        sealed.unseal(e.payload, e.topic, ClockNotice, AGGREGATOR.public, AGGREGATOR)
        for e in effects
        if isinstance(e, Publish) and e.topic == TOPICS.reply("g1")
    ]


def test_a_gateway_whose_clock_is_off_is_told_what_time_it_is(opened: Open) -> None:
    core = opened()
    topic = TOPICS.presence("g1")
    for off, told in ((0.0, False), (60.0, False), (61.0, True), (-86_400.0, True)):
        effects = core.receive(topic, presence("g1", unix_s=START + off), START)
        assert notices(effects) == [ClockNotice(START + off, START)] * told
    will = presence("g1", state=GatewayState.OFFLINE, unix_s=1.0)
    assert notices(core.receive(topic, will, START)) == []


def test_versions_go_on_after_a_restart(opened: Open) -> None:
    core = opened()
    plan = opened_round(core)
    upload(core, *answer("g1", plan))
    upload(core, *answer("g2", plan))
    again = opened()
    following = the_plan(again.connected())
    assert (following.plan, following.version) == ("ward.2", 1)


def test_a_gateway_is_known_by_the_key_that_it_showed_first_also_after_a_restart(
    opened: Open,
) -> None:
    arrive(opened(), "g1")
    core = opened()
    topic, stranger = TOPICS.presence("g1"), Ed25519Signer(b"x" * 32)
    said = GatewayPresence(
        "g1", 9, b"t" * 8, stranger.public, GatewayState.READY, ARTIFACT, 50, None, 0, 0
    )
    (refused,) = core.receive(topic, sealed.seal(said, topic, stranger), START)
    assert isinstance(refused, GatewayRefused)
    assert refused.gateway == "g1"
    assert "if it was set up anew" in refused.reason
    # It is not asked, and the one with the known key is.
    plan = opened_round(core, "g1", "g2")
    offer, payload = answer("g1", plan)
    forged = sealed.seal(offer, TOPICS.offer("g1"), stranger)
    assert [type(e) for e in core.receive(TOPICS.offer("g1"), forged, START)] == [MessageRefused]
    assert len(events(upload(core, offer, payload), UpdateAccepted)) == 1


def test_an_update_of_a_gateway_that_has_shown_no_key_is_dropped(opened: Open) -> None:
    core = opened()
    offer, _ = answer("g7", opened_round(core))
    (refused,) = say(core, offer)
    assert isinstance(refused, MessageRefused)
    assert "g7 has shown no key" in refused.reason


def test_what_was_signed_for_one_population_is_refused_in_another(opened: Open) -> None:
    core = opened()
    elsewhere = Topics("other")
    offer, _ = answer("g1", opened_round(core))
    copied = sealed.seal(offer, elsewhere.offer("g1"), key("g1"))
    assert [type(e) for e in core.receive(TOPICS.offer("g1"), copied, START)] == [MessageRefused]


def test_with_a_list_nobody_else_takes_part(tmp_path: Path) -> None:
    with closing(RoundLog(tmp_path / "log", "ward", ARTIFACT)) as log:
        listed = {name: key(name).public for name in ("g1", "g2")}
        core = Coordinator(settings(), task(), log, AGGREGATOR, listed)
        (refused,) = arrive(core, "g3")
        assert isinstance(refused, GatewayRefused)
        assert opened_round(core, "g1", "g2").cohort == Cohort.of(("g1", "g2"))
        assert log.gateway_keys() == {}


A, B = b"a" * 8, b"b" * 8


def speak(
    core: Coordinator,
    session: bytes,
    sent: int,
    now: float = START,
    obstacles: tuple[str, ...] = (),
) -> list[Effect]:
    said = presence("g1", birth=5, session=session, sent_bytes=sent, obstacles=obstacles)
    return core.receive(TOPICS.presence("g1"), said, now)


def conflicts(effects: list[Effect]) -> list[IdentityConflict]:
    return published(effects, TOPICS.reply("g1"), IdentityConflict)


def test_two_agents_of_one_identity_are_said_and_told_and_not_asked(opened: Open) -> None:
    core = opened()
    assert speak(core, A, 300) + speak(core, B, 300) == []
    effects = speak(core, A, 600)
    assert events(effects, GatewayDoubled) == [GatewayDoubled("g1", 2)]
    assert conflicts(effects) == [IdentityConflict("g1", (A, B))]
    # The other one too, but the log has it already, and who knows is not told at each word.
    effects = speak(core, B, 600)
    assert events(effects, GatewayDoubled) == []
    assert conflicts(effects) == [IdentityConflict("g1", (A, B))]
    assert conflicts(speak(core, A, 700, START + 9)) == [IdentityConflict("g1", (A, B))]
    assert speak(core, A, 900, START + 10, ("twin",)) == []
    assert conflicts(speak(core, A, 1200, START + 29, ("twin",))) != []
    assert opened_round(core, "g2", "g3").cohort == Cohort.of(("g2", "g3"))


def test_a_gateway_is_asked_again_when_its_twin_is_gone(opened: Open) -> None:
    core = opened(settings(min_gateways=3))
    arrive(core, "g2", "g3")
    for sent in (300, 600):
        for session in (A, B):
            speak(core, session, sent)
    effects: list[Effect] = []
    for heartbeat in range(1, 32):
        effects = speak(core, A, 600 + 300 * heartbeat, START + 30.0 * heartbeat)
        if heartbeat <= 30:
            assert published(effects, TOPICS.plan, Plan) == []
    assert the_plan(effects).cohort == Cohort.of(("g1", "g2", "g3"))


@pytest.mark.parametrize("order", ["one after the other", "at once"])
def test_of_two_agents_of_one_identity_one_update_counts(opened: Open, order: str) -> None:
    """Copies of one memory card number their updates alike, and train on different examples."""
    core = opened()
    plan = opened_round(core, "g1", "g2")
    (first, one), (second, other) = answer("g1", plan), answer("g2", plan)
    second = replace(second, update=first.update)
    if order == "at once":
        # Each is offered before the other is there as a whole, and sends what it is asked for.
        say(core, first)
        effects = say(core, second)
        for chunk in cut(one, first.payload, range(first.payload.chunks)):
            effects += send(core, "g1", chunk)
        effects += upload(core, second, other)
        effects += say(core, first)
    else:
        effects = upload(core, first, one) + say(core, second)
    assert len(events(effects, UpdateAccepted)) == 1
    found = [r.status for r in replies(effects) if isinstance(r, Receipt)]
    assert found == [ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE]
    counted, num_examples = (other, second) if order == "at once" else (one, first)
    effects = upload(core, *answer("g2", plan))
    assert events(effects, RoundCommitted) == [RoundCommitted(1, PlanKind.TRAIN, 1, 2, 2)]
    deltas = np.stack([np.frombuffer(counted, "<f4"), delta("g2", plan)]).astype(np.float64)
    weights = [num_examples.num_examples, 42]
    expected = INITIAL + np.average(deltas, axis=0, weights=weights)
    assert np.array_equal(model_of(effects)[2], expected.astype(np.float32))


def weighted(*parts: tuple[np.ndarray, float, float]) -> np.ndarray:
    """The mean of (delta, weight, discount): discounts take from deltas alone."""
    total = sum(d.astype(np.float64) * (w * discount) for d, w, discount in parts)
    return np.asarray(total / sum(w for _, w, _ in parts))


def test_more_are_asked_than_are_needed_and_the_goal_commits(opened: Open) -> None:
    told = settings(cohort=2, over_selection=0.5, min_gateways=4, staleness_cap=1)
    core = opened(told)
    plan = opened_round(core, "g1", "g2", "g3", "g4")
    assert len(plan.cohort) == 3
    first, second, late = asked(plan, "g1", "g2", "g3", "g4")
    upload(core, *answer(first, plan))
    effects = upload(core, *answer(second, plan))
    (committed,) = events(effects, RoundCommitted)
    assert (committed.version, committed.cohort, committed.reported) == (1, 3, 2)
    # Who comes late counts in the next round, once and discounted.
    following = the_plan(effects)
    effects = upload(core, *answer(late, plan))
    (accepted,) = events(effects, UpdateAccepted)
    assert (accepted.round, accepted.staleness) == (2, 1)
    assert replies(say(core, answer(late, plan)[0]), late)[0].status is ReceiptStatus.DUPLICATE  # type: ignore[attr-defined]
    base = model_of(core.connected())[2]
    other = next(name for name in asked(following, "g1", "g2", "g3", "g4") if name != late)
    effects = upload(core, *answer(other, following))
    parts = [(delta(g, p), 40.0 + int(g[1:]), d) for g, p, d in (
        (late, plan, 2**-0.5), (other, following, 1.0))]  # fmt: skip
    assert np.allclose(model_of(effects)[2], base + weighted(*parts), atol=1e-6)


def test_a_buffer_commits_with_so_many_updates_and_gateways_go_on_at_once(opened: Open) -> None:
    told = settings(buffer=3, staleness_cap=2, min_gateways=2)
    core = opened(told)
    plan = opened_round(core)
    effects = upload(core, *answer("g1", plan))
    (further,) = [
        sealed.unseal(e.payload, e.topic, Plan, AGGREGATOR.public, AGGREGATOR)
        for e in effects
        if isinstance(e, Publish) and e.topic == TOPICS.reply("g1")
        and b"cohort" in e.payload
    ]  # fmt: skip
    assert (further.plan, further.version, further.seed != plan.seed) == ("ward.1~2", 0, True)
    assert further.epoch > plan.epoch
    assert further.cohort == Cohort.of(("g1",))
    # A third plan was not handed on yet: nobody can report as often as they like.
    offer, _ = answer("g1", replace(further, plan="ward.1~3"))
    (receipt,) = replies(say(core, offer))
    assert receipt.rejected is RejectReason.UNKNOWN_PLAN  # type: ignore[attr-defined]
    assert events(upload(core, *answer("g1", further)), RoundCommitted) == []
    core = opened(told)
    effects = upload(core, *answer("g2", plan))
    assert events(effects, RoundCommitted) == [RoundCommitted(1, PlanKind.TRAIN, 1, 3, 3)]


def test_an_update_beyond_the_staleness_cap_is_stale(opened: Open) -> None:
    core = opened(settings(buffer=1, min_reports=1, staleness_cap=1))
    plan = opened_round(core)
    offer, _ = answer("g2", plan)
    following = plan
    for _ in range(2):
        following = the_plan(upload(core, *answer("g1", following)))
    (receipt,) = replies(say(core, offer), "g2")
    assert receipt.status is ReceiptStatus.STALE  # type: ignore[attr-defined]
    assert receipt.detail == "2 versions behind, at most 1 count"  # type: ignore[attr-defined]


def test_pieces_of_a_straggler_outlive_the_round(opened: Open) -> None:
    told = settings(cohort=1, over_selection=1.0, min_reports=1, staleness_cap=1)
    core = opened(told)
    plan = opened_round(core)
    offer, payload = answer("g2", plan)
    say(core, offer)
    pieces = list(cut(payload, offer.payload, range(3)))
    send(core, "g2", pieces[0])
    upload(core, *answer("g1", plan))
    send(core, "g2", pieces[1])
    for _ in range(2):
        (want,) = replies(say(core, offer), "g2")
        assert indexes_of(want.missing, 3) == [2]  # type: ignore[attr-defined]
        core = opened(told)
        say(core, offer)
    (accepted,) = events(send(core, "g2", pieces[2]), UpdateAccepted)
    assert accepted.staleness == 1


def test_pieces_of_a_straggler_beyond_the_cap_go_and_it_is_told(opened: Open) -> None:
    core = opened(settings(buffer=1, min_reports=1, staleness_cap=1))
    plan = opened_round(core)
    offer, payload = answer("g2", plan)
    say(core, offer)
    pieces = list(cut(payload, offer.payload, range(3)))
    send(core, "g2", pieces[0])
    effects = upload(core, *answer("g1", plan))
    assert replies(effects, "g2") == []
    assert core._log.kept_chunks("g2", offer.payload.digest) == {0}
    effects = upload(core, *answer("g1", the_plan(effects)))
    (receipt,) = replies(effects, "g2")
    late = "only updates of version 1 and later count now"
    assert receipt == Receipt(offer.update, ReceiptStatus.STALE, detail=late)
    assert core._log.uploads(but="") == []
    # What is still on its way is passed over, and who has missed the word is told again.
    assert send(core, "g2", pieces[1]) == []
    assert core._log.kept_chunks("g2", offer.payload.digest) == set()
    assert replies(say(core, offer), "g2")[0].status is ReceiptStatus.STALE  # type: ignore[attr-defined]


def test_who_finds_no_room_is_told_to_come_back(opened: Open) -> None:
    told = settings(upload_bytes=3000, min_gateways=3, min_reports=3, deadline_s=600.0)
    core = opened(told)
    plan = opened_round(core, "g1", "g2", "g3")
    offers = {name: answer(name, plan) for name in ("g1", "g2", "g3")}
    for name in ("g1", "g2"):
        say(core, offers[name][0])
        send(core, name, next(cut(offers[name][1], offers[name][0].payload, [0])))
    (receipt,) = replies(say(core, offers["g3"][0]), "g3")
    assert (receipt.status, receipt.retry) == (ReceiptStatus.RETRY, RetryReason.FULL)  # type: ignore[attr-defined]
    assert 10 <= receipt.retry_after_s <= 20  # type: ignore[attr-defined]
    assert core._log.upload_bytes(but="") <= 3000
    # The first one has come to a halt: it gives way, and sends all its pieces again.
    later = START + 61
    send(core, "g2", next(cut(offers["g2"][1], offers["g2"][0].payload, [1])), later)
    upload(core, *offers["g3"], now=later)
    upload(core, *offers["g2"], now=later)
    effects = upload(core, *offers["g1"], now=later)
    assert events(effects, RoundCommitted)[0].reported == 3


def test_a_round_after_abandoned_ones_waits_longer_each_time(opened: Open) -> None:
    told = settings(backoff_s=10.0)
    core = opened(told)
    plan, at = opened_round(core), START
    for wait in (10.0, 20.0, 40.0):
        at += 60
        effects = core.tick(at)
        (said,) = published(effects, TOPICS.round, RoundAbandonment)
        assert (said.plan, said.retry_after_s) == (plan.plan, wait)
        assert published(effects, TOPICS.plan, Plan) == []
        # An update that comes meanwhile is not stale: there will be a round for it.
        (receipt,) = replies(say(core, answer("g1", plan)[0], at))
        assert receipt.retry is RetryReason.PACED  # type: ignore[attr-defined]
        core = opened(told)
        arrive(core, "g1", "g2", now=at)
        assert published(core.tick(at + wait - 1), TOPICS.plan, Plan) == []
        plan, at = the_plan(core.tick(at + wait)), at + wait


def test_a_clock_set_back_does_not_lengthen_the_wait_after_an_abandoned_round(opened: Open) -> None:
    core = opened(settings(backoff_s=10.0))
    plan = opened_round(core)
    core.tick(START + 60)
    arrive(core, "g1", "g2", now=START + 65)
    assert published(core.tick(START + 65), TOPICS.plan, Plan) == []
    later = the_plan(core.tick(START - 86400))
    assert later.epoch > plan.epoch
    assert later.deadline_unix_s == START - 86400 + 60


def test_as_many_uploads_as_are_welcome_come_in_at_once(opened: Open) -> None:
    core = opened(settings(max_uploads=1))
    plan = opened_round(core)
    offer, payload = answer("g1", plan)
    say(core, offer)
    (receipt,) = replies(say(core, answer("g2", plan)[0]), "g2")
    assert receipt.retry is RetryReason.BUSY  # type: ignore[attr-defined]
    assert 10 <= receipt.retry_after_s <= 20  # type: ignore[attr-defined]
    upload(core, offer, payload)
    assert isinstance(replies(say(core, answer("g2", plan)[0]), "g2")[0], Want)


def test_a_silent_upload_holds_up_nobody(opened: Open) -> None:
    core = opened(settings(max_uploads=1, deadline_s=600))
    plan = opened_round(core)
    say(core, answer("g1", plan)[0])
    (answered,) = replies(say(core, answer("g2", plan)[0], START + 61), "g2")
    assert isinstance(answered, Want)


def test_while_it_recovers_it_says_when_to_come_back(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.aggregator.replay._AT_ONCE", 1)
    names = ("g1", "g2", "g3")
    told = settings(min_gateways=3, min_reports=3)
    core = opened(told)
    plan = opened_round(core, *names)
    for name in names[:2]:
        upload(core, *answer(name, plan))
    core = opened(told)
    offer, payload = answer("g3", plan)
    (receipt,) = replies(say(core, offer), "g3")
    assert receipt.retry is RetryReason.RECOVERING  # type: ignore[attr-defined]
    for _ in range(2):
        core.tick(START + 1)
    assert len(events(upload(core, offer, payload), RoundCommitted)) == 1


def test_partial_work_weighs_what_it_did(opened: Open) -> None:
    core = opened()
    plan = opened_round(core)
    upload(core, *answer("g1", plan, share=0.25))
    effects = upload(core, *answer("g2", plan))
    parts = [(delta("g1", plan), 41 * 0.25, 1.0), (delta("g2", plan), 42.0, 1.0)]
    assert np.allclose(model_of(effects)[2], INITIAL + weighted(*parts), atol=1e-6)


def test_gateways_are_told_to_spread_by_how_many_they_are(opened: Open) -> None:
    told = settings(arrivals_per_s=2.0)
    arrive(opened(told), *(f"g{i}" for i in range(20)))
    (alive,) = published(opened(told).connected(), TOPICS.aggregator, AggregatorPresence)
    assert alive.pace_s == 10.0


SPARSE = "residual|topk=0.1|sign|golomb"


def test_gateways_behind_other_links_answer_one_round_with_other_codecs(opened: Open) -> None:
    links = (LinkCodecSettings("4g", SPARSE),)
    training = TrainingSettings(codec="none", model_codec="none", server_momentum=0, links=links)
    told = replace(settings(), training=training)
    core = opened(told)
    plan = opened_round(core)
    assert (plan.codec_of("4g"), plan.codec_of("wifi")) == (SPARSE, "none")
    dense = delta("g1", plan)
    upload(core, *answer("g1", plan))
    shared = Shared(task().codec_layout, plan.seed)
    chain, generator = codec(SPARSE), np.random.default_rng(0)
    payload = chain.compress(delta("g2", plan), shared, generator).payload
    offer = answer("g2", plan, codec=SPARSE)[0]
    other = replace(offer, codec="q8", update=replace(offer.update, sequence=9))
    (refused,) = replies(say_small(core, other, payload), "g2")
    assert isinstance(refused, Receipt)
    assert refused.rejected is RejectReason.WRONG_CODEC
    effects = say_small(core, offer, payload)
    assert replies(effects, "g2") == [Receipt(offer.update, ReceiptStatus.ACCEPTED)]
    sparse = chain.decompress(payload, shared).dense()
    expected = INITIAL + np.average(np.stack([dense, sparse]), axis=0, weights=[41, 42])
    np.testing.assert_allclose(model_of(effects)[2], expected, atol=1e-6)


def test_a_small_update_counts_once_and_survives_a_crash(opened: Open) -> None:
    core = opened(settings(min_gateways=3, min_reports=3))
    plan = opened_round(core, "g1", "g2", "g3")
    payload = np.zeros(PARAMETERS // 3, "<f4").tobytes()
    offer = answer("g1", plan)[0]
    (receipt,) = replies(say_small(core, offer, payload))
    assert isinstance(receipt, Receipt)
    assert receipt.rejected is RejectReason.MALFORMED
    chain = replace(settings(min_gateways=3, min_reports=3),
                    training=TrainingSettings(codec=SPARSE))  # fmt: skip
    core = opened(chain, name="sparse")
    plan = opened_round(core, "g1", "g2", "g3")
    shared = Shared(task().codec_layout, plan.seed)
    payload = codec(SPARSE).compress(delta("g1", plan), shared, np.random.default_rng(0)).payload
    offer = answer("g1", plan, codec=SPARSE)[0]
    assert replies(say_small(core, offer, payload)) == [
        Receipt(offer.update, ReceiptStatus.ACCEPTED)
    ]
    assert replies(say_small(core, offer, payload)) == [
        Receipt(offer.update, ReceiptStatus.DUPLICATE)
    ]
    core = opened(chain, name="sparse")
    assert replies(say_small(core, offer, payload)) == [
        Receipt(offer.update, ReceiptStatus.DUPLICATE)
    ]


def test_an_update_for_a_plan_that_was_let_go_of_is_stale(opened: Open, tmp_path: Path) -> None:
    core = opened()
    plan = opened_round(core)
    with closing(sqlite3.connect(tmp_path / "log")) as db, db:
        db.execute("UPDATE round SET plan = NULL")
    (receipt,) = replies(say(core, answer("g1", plan)[0]))
    assert isinstance(receipt, Receipt)
    assert receipt.status is ReceiptStatus.STALE
    offer, _ = answer("g1", replace(plan, plan="ward.never"))
    (receipt,) = replies(say(core, offer))
    assert isinstance(receipt, Receipt)
    assert receipt.rejected is RejectReason.UNKNOWN_PLAN
