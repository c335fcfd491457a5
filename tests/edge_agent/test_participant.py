"""A gateway's part by scenarios: messages and time in, effects out; killed anywhere, it goes on."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from broker.protocol import sealed, wire
from broker.protocol.cohort import Cohort
from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.messages import (
    AggregatorPresence,
    BlobReference,
    Chunk,
    ClockNotice,
    DeltaReference,
    GatewayPresence,
    GatewayState,
    IdentityConflict,
    LinkCodec,
    ModelAnnouncement,
    Plan,
    PlanKind,
    Receipt,
    ReceiptStatus,
    RejectReason,
    RetryReason,
    RoundAbandonment,
    SmallUpdate,
    TrainingPlan,
    UpdateOffer,
    Want,
)
from broker.protocol.model_blob import pack_model, unpack_model
from broker.protocol.model_delta import pack_delta, step_model
from broker.protocol.signing import Ed25519Signer
from broker.protocol.small_update import spelled_out
from broker.protocol.statistics import decode_sums
from broker.protocol.topics import Topics
from broker.protocol.transfer import bitmap_of, cut, refer
from edge_agent.effects import (
    Effect,
    FinishWork,
    Identity,
    Install,
    Note,
    PauseWork,
    StartWork,
    StopWork,
)
from edge_agent.eligibility import Obstacle, Reason
from edge_agent.errors import StorageError
from edge_agent.journal import Journal
from edge_agent.participant import Participant
from edge_agent.trainer import Summed, Trained
from models.normalisation import Normalisation

ARTIFACT = b"a" * 32
PARAMETERS = 300
IDENTITY = Identity("ward", "g1", ARTIFACT, PARAMETERS, 512)
TOPICS = Topics("ward")
NOW = 1_000_000.0
DELTA = np.linspace(-0.1, 0.1, PARAMETERS, dtype=np.float32)
SIGNER, AGGREGATOR = Ed25519Signer(b"g" * 32), Ed25519Signer(b"a" * 32)
M = TypeVar("M")
Open = Callable[..., Participant]


def blob(version: int, artifact: bytes = ARTIFACT, parameters: int = PARAMETERS) -> bytes:
    vector = np.full(parameters, version, np.float32)
    return pack_model(version, artifact, Normalisation((0.0,), (1.0,)), vector)


def reference(version: int) -> BlobReference:
    return refer(blob(version), 512)


def announcement(version: int, epoch: int = 1, **changes: Any) -> ModelAnnouncement:
    said = ModelAnnouncement(epoch, version, ARTIFACT, reference(version), 2, 2)
    return replace(said, **changes)


def plan(number: int = 1, version: int = 0, **changes: Any) -> Plan:
    asked = Plan(
        epoch=number,
        plan=f"ward.{number}",
        kind=PlanKind.TRAIN,
        artifact=ARTIFACT,
        version=version,
        model=reference(version),
        cohort=Cohort.of(("g1", "g2")),
        codec="none",
        training=TrainingPlan(1, 0.1, 0.9, 0.0),
        min_examples=10,
        deadline_unix_s=NOW + 600,
        seed=7,
    )
    return replace(asked, **changes)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the gateway on its one journal; the one before is as if killed."""
    journals: list[Journal] = []

    def open_it(pinned: bool = True) -> Participant:
        journals.append(Journal(tmp_path / "journal", "ward/g1", ARTIFACT))
        key = AGGREGATOR.public if pinned else None
        return Participant(IDENTITY, journals[-1], SIGNER, bytes(8), key)

    yield open_it
    for journal in journals:
        journal.close()


@pytest.fixture
def gateway(opened: Open) -> Participant:
    """A gateway with 50 examples and a link."""
    return up(opened())


def up(found: Participant) -> Participant:
    found.started()
    found.examples(50, NOW)
    found.connected(NOW)
    return found


def hear(
    gateway: Participant, message: object, now: float = NOW, signer: Ed25519Signer = AGGREGATOR
) -> list[Effect]:
    topics = {
        ModelAnnouncement: TOPICS.model,
        Plan: TOPICS.plan,
        AggregatorPresence: TOPICS.aggregator,
        RoundAbandonment: TOPICS.round,
        Want: TOPICS.reply("g1"),
        Receipt: TOPICS.reply("g1"),
        ClockNotice: TOPICS.reply("g1"),
        IdentityConflict: TOPICS.reply("g1"),
    }
    if isinstance(message, Chunk):
        topic = TOPICS.blob_chunk(message.digest, message.index)
        return gateway.receive(topic, wire.encode(message), now)
    topic = topics[type(message)]
    return gateway.receive(topic, sealed.seal(message, topic, signer), now)


def give(gateway: Participant, version: int, now: float = NOW) -> list[Effect]:
    """Deliver all chunks of a version, as a broker does on a subscription."""
    data = blob(version)
    found = reference(version)
    return [
        effect
        for chunk in cut(data, found, range(found.chunks))
        for effect in hear(gateway, chunk, now)
    ]


def of(effects: list[Effect], kind: type[M]) -> list[M]:
    return [effect for effect in effects if isinstance(effect, kind)]


def said(effects: list[Effect]) -> list[GatewayState]:
    return [
        sealed.unseal(e.payload, e.topic, GatewayPresence, SIGNER.public, SIGNER).state
        for e in of(effects, Publish)
        if e.topic == TOPICS.presence("g1")
    ]


def offers(effects: list[Effect]) -> list[UpdateOffer]:
    topic = TOPICS.offer("g1")
    kinds = (UpdateOffer, SmallUpdate)
    found = [
        sealed.unseal_any(e.payload, topic, kinds, SIGNER.public, SIGNER)
        for e in of(effects, Publish)
        if e.topic == topic
    ]
    return [
        said if isinstance(said, UpdateOffer) else spelled_out(said, "g1", plan(links=CODECS))
        for said in found
        if isinstance(said, UpdateOffer | SmallUpdate)
    ]


def chunks(effects: list[Effect]) -> list[int]:
    return [
        wire.decode(e.payload, Chunk).index for e in of(effects, Publish) if "/chunk/" in e.topic
    ]


def blob_filters(effects: list[Effect], kind: type[Subscribe | Unsubscribe]) -> list[str]:
    return [e.topic_filter for e in of(effects, kind) if "/blob/" in e.topic_filter]


def chunk_topics(version: int, *indexes: int) -> list[str]:
    """Topics of these chunks of a version's blob, or of all."""
    found = reference(version)
    return [TOPICS.blob_chunk(found.digest, i) for i in indexes or range(found.chunks)]


def working(gateway: Participant, asked: Plan) -> StartWork:
    """Bring a gateway to work on a plan, whatever it needs for that."""
    effects = hear(gateway, asked)
    if not of(effects, StartWork):
        effects += give(gateway, asked.version)
    (work,) = of(effects, StartWork)
    return work


def uploading(gateway: Participant, number: int = 1) -> UpdateOffer:
    work = working(gateway, plan(number))
    (offer,) = offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))
    return offer


def receipt(offer: UpdateOffer, status: ReceiptStatus, detail: str = "") -> Receipt:
    rejected = RejectReason.MALFORMED if status is ReceiptStatus.REJECTED else None
    retry = RetryReason.BUSY if status is ReceiptStatus.RETRY else None
    return Receipt(offer.update, status, rejected, retry, detail, 400.0 if retry else 0.0)


def test_a_connection_subscribes_and_says_who_is_there(opened: Open) -> None:
    gateway = opened()
    assert gateway.started() == []
    effects = gateway.connected(NOW)
    filters = {effect.topic_filter for effect in of(effects, Subscribe)}
    assert filters == {
        TOPICS.model,
        TOPICS.plan,
        TOPICS.round,
        TOPICS.aggregator,
        TOPICS.reply("g1"),
    }
    (presence,) = of(effects, Publish)
    assert presence.retain
    found = sealed.peek(presence.payload, GatewayPresence)
    assert (found.state, found.examples) == (GatewayState.COLLECTING, 0)
    will = sealed.peek(gateway.will().payload, GatewayPresence)
    assert (will.state, will.birth) == (GatewayState.OFFLINE, found.birth)


def test_each_run_has_a_higher_birth(opened: Open) -> None:
    births = [sealed.peek(opened().will().payload, GatewayPresence).birth for _ in range(3)]
    assert births == [1, 2, 3]


def test_nothing_is_said_without_a_link(opened: Open) -> None:
    gateway = opened()
    assert gateway.examples(50, NOW) == []
    assert gateway.tick(NOW + 100) == []
    gateway.connected(NOW)
    gateway.disconnected()
    assert gateway.examples(5, NOW) == []


def test_an_announced_model_is_fetched_and_installed(gateway: Participant) -> None:
    effects = hear(gateway, announcement(3))
    assert blob_filters(effects, Subscribe) == chunk_topics(3)
    assert said(effects) == [GatewayState.DOWNLOADING]
    effects = give(gateway, 3)
    (installed,) = of(effects, Install)
    assert installed.model.version == 3
    assert installed.model.parameters.tolist() == [3.0] * PARAMETERS
    assert blob_filters(effects, Unsubscribe) == chunk_topics(3)
    assert said(effects) == [GatewayState.READY]
    assert gateway.version == 3


def test_a_model_that_is_held_is_installed_before_any_link(opened: Open) -> None:
    first = up(opened())
    hear(first, announcement(3))
    give(first, 3)
    again = opened()
    (installed,) = again.started()
    assert isinstance(installed, Install)
    assert installed.model.version == 3
    again.connected(NOW)
    effects = hear(again, announcement(3, epoch=2))
    assert blob_filters(effects, Subscribe) == []
    assert of(effects, Install) == []


def test_an_older_epoch_is_refused_also_after_a_restart(opened: Open) -> None:
    gateway = up(opened())
    hear(gateway, announcement(5, epoch=9))
    give(gateway, 5)
    hear(gateway, plan(9, 5))
    for found in (gateway, up(opened())):
        assert blob_filters(hear(found, announcement(4, epoch=8)), Subscribe) == []
        assert of(hear(found, plan(8, 5)), StartWork) == []


def test_an_older_version_is_not_installed(gateway: Participant) -> None:
    hear(gateway, announcement(5, epoch=1))
    give(gateway, 5)
    hear(gateway, announcement(4, epoch=2))
    assert of(give(gateway, 4), Install) == []
    assert gateway.version == 5


def test_chunks_may_come_in_any_order_and_twice(gateway: Participant) -> None:
    hear(gateway, announcement(3))
    first, second, *rest = cut(blob(3), reference(3), range(reference(3).chunks))
    effects: list[Effect] = []
    for chunk in (second, second, *rest, first):
        assert of(effects, Install) == []
        effects += hear(gateway, chunk)
    assert len(of(effects, Install)) == 1


def test_a_download_that_a_connection_cut_fetches_the_missing_chunks_alone(
    gateway: Participant,
) -> None:
    hear(gateway, announcement(3))
    first, *rest = cut(blob(3), reference(3), range(reference(3).chunks))
    assert blob_filters(hear(gateway, first), Unsubscribe) == chunk_topics(3, 0)
    gateway.disconnected()
    # The session has them under way; a broker that forgot it is asked again a little later.
    effects = gateway.connected(NOW + 5)
    assert blob_filters(effects, Subscribe) == []
    assert blob_filters(gateway.tick(NOW + 9), Subscribe) == []
    effects = gateway.tick(NOW + 10)
    assert blob_filters(effects, Subscribe) == chunk_topics(3, *(c.index for c in rest))
    for chunk in rest:
        effects += hear(gateway, chunk, NOW + 10)
    assert len(of(effects, Install)) == 1


def test_a_download_in_silence_is_asked_for_again(gateway: Participant) -> None:
    hear(gateway, announcement(3))
    assert blob_filters(gateway.tick(NOW + 29), Subscribe) == []
    assert blob_filters(gateway.tick(NOW + 30), Subscribe) == chunk_topics(3)
    assert blob_filters(gateway.tick(NOW + 31), Subscribe) == []


def test_a_newer_announcement_takes_the_place_of_a_download(gateway: Participant) -> None:
    hear(gateway, announcement(3, epoch=1))
    effects = hear(gateway, announcement(4, epoch=2))
    assert blob_filters(effects, Unsubscribe) == chunk_topics(3)
    assert blob_filters(effects, Subscribe) == chunk_topics(4)
    assert of(give(gateway, 3), Install) == []
    assert len(of(give(gateway, 4), Install)) == 1


def test_a_plan_and_an_announcement_do_not_fight_over_the_download(gateway: Participant) -> None:
    """As after the last round: the retained plan's base is one version behind the model."""
    effects = hear(gateway, announcement(4))
    effects += hear(gateway, plan(1, 3))
    assert blob_filters(effects, Subscribe) == chunk_topics(4)
    effects = give(gateway, 4)
    assert [install.model.version for install in of(effects, Install)] == [4]
    assert blob_filters(effects, Subscribe) == chunk_topics(3)
    effects = give(gateway, 3)
    (work,) = of(effects, StartWork)
    assert work.model is not None
    assert work.model.version == 3
    assert gateway.version == 4


def test_a_download_that_nobody_wants_any_more_is_given_up(gateway: Participant) -> None:
    hear(gateway, plan(1))
    effects = gateway.tick(NOW + 601)
    assert blob_filters(effects, Unsubscribe) == chunk_topics(0)
    assert said(effects) == [GatewayState.READY]
    assert blob_filters(gateway.tick(NOW + 700), Subscribe) == []


@pytest.mark.parametrize(
    "data",
    [
        blob(3, artifact=b"b" * 32),
        blob(3, parameters=PARAMETERS + 1),
        pack_model(3, ARTIFACT, Normalisation((0.0,), (1.0,)), np.full(PARAMETERS, np.nan, "f4")),
        b"what the digest promised, but no model",
    ],
)
def test_a_blob_that_is_no_model_of_ours_is_not_fetched_in_a_loop(
    gateway: Participant, data: bytes
) -> None:
    found = refer(data, 512)
    hear(gateway, announcement(3, model=found))
    effects = hear(gateway, plan(1, 3, model=found))
    for chunk in cut(data, found, range(found.chunks)):
        effects += hear(gateway, chunk)
    assert len(of(effects, Note)) == 1
    assert of(effects, Install) == of(effects, StartWork) == []
    assert gateway.state is GatewayState.READY
    for later in range(0, 300, 10):
        assert blob_filters(gateway.tick(NOW + later), Subscribe) == []


def test_a_bad_blob_leaves_the_plan_that_is_worked_on(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    bad = refer(b"no model", 512)
    hear(gateway, announcement(1, model=bad))
    hear(gateway, next(cut(b"no model", bad, [0])))
    assert len(offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))) == 1


def test_a_chunk_of_wrong_content_is_noted(gateway: Participant) -> None:
    hear(gateway, announcement(3))
    good = list(cut(blob(3), reference(3), range(reference(3).chunks)))
    bad = replace(good[0], data=bytes(512))
    effects = [e for chunk in (bad, *good[1:]) for e in hear(gateway, chunk)]
    assert "do not add up" in of(effects, Note)[0].text
    assert of(effects, Install) == []
    hear(gateway, announcement(3, epoch=2))
    assert len(of(give(gateway, 3), Install)) == 1


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPICS.model, b"\xff"),
        (TOPICS.plan, b""),
        (TOPICS.plan, wire.encode(announcement(1))),
        (TOPICS.aggregator, b"\xa0"),
        (TOPICS.reply("g1"), wire.encode(plan())),
        (f"{TOPICS.root}/blob/00/0", b"\x00"),
    ],
)
def test_what_is_malformed_is_noted_and_changes_nothing(
    gateway: Participant, topic: str, payload: bytes
) -> None:
    (note,) = gateway.receive(topic, payload, NOW)
    assert isinstance(note, Note)
    assert topic in note.text
    assert len(of(hear(gateway, plan()) + give(gateway, 0), StartWork)) == 1


def test_a_chunk_on_anothers_topic_is_noted(gateway: Participant) -> None:
    hear(gateway, announcement(3))
    chunk = next(cut(blob(3), reference(3), [0]))
    topic = TOPICS.blob_chunk(chunk.digest, 1)
    assert len(of(gateway.receive(topic, wire.encode(chunk), NOW), Note)) == 1


def test_a_model_of_another_artifact_is_noted_only(gateway: Participant) -> None:
    effects = hear(gateway, announcement(3, artifact=b"b" * 32))
    assert [type(effect) for effect in effects] == [Note]


def test_a_plan_starts_work_once_its_base_is_held(gateway: Participant) -> None:
    effects = hear(gateway, plan())
    assert of(effects, StartWork) == []
    assert said(effects) == [GatewayState.DOWNLOADING]
    effects = give(gateway, 0)
    (work,) = of(effects, StartWork)
    assert work.plan == plan()
    assert work.model is not None
    assert work.model.version == 0
    assert said(effects) == [GatewayState.TRAINING]
    assert of(hear(gateway, plan()), StartWork) == []
    assert of(gateway.tick(NOW + 1), StartWork) == []


def test_gateways_draw_from_the_plans_seed_each_in_its_own_way(tmp_path: Path) -> None:
    seeds = set()
    for name in ("g1", "g2"):
        journal = Journal(tmp_path / name, f"ward/{name}", ARTIFACT)
        found = Participant(
            replace(IDENTITY, gateway=name), journal, SIGNER, bytes(8), AGGREGATOR.public
        )
        found.examples(50, NOW)
        seeds.add(working(found, plan()).seed)
        journal.close()
    assert {seed[0] for seed in seeds} == {7}
    assert len(seeds) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"cohort": Cohort.of(("g2", "g3"))},
        {"artifact": b"b" * 32},
        {"deadline_unix_s": NOW - 1},
        {"codec": "from-the-future"},
        {"codec": "sums"},
    ],
)
def test_a_plan_that_cannot_be_answered_is_not_begun(
    gateway: Participant, changes: dict[str, Any]
) -> None:
    effects = hear(gateway, plan(**changes)) + give(gateway, 0)
    assert of(effects, StartWork) == of(effects, Subscribe) == []
    assert gateway.state is GatewayState.READY


@pytest.mark.parametrize("changes", [{"artifact": b"b" * 32}, {"codec": "from-the-future"}])
def test_why_a_plan_is_declined_is_noted(gateway: Participant, changes: dict[str, Any]) -> None:
    assert "ward.1 declined" in of(hear(gateway, plan(**changes)), Note)[0].text


def test_a_statistics_plan_needs_no_model(gateway: Participant) -> None:
    asked = plan(kind=PlanKind.STATISTICS, model=None, codec="sums")
    (work,) = of(hear(gateway, asked), StartWork)
    assert work.model is None
    sums = np.arange(6.0)
    (offer,) = offers(gateway.worked(asked, Summed(sums, 50), NOW))
    assert (offer.codec, offer.num_examples, offer.loss) == ("sums", 50, 0.0)
    effects = hear(gateway, want(offer))
    data = b"".join(
        wire.decode(e.payload, Chunk).data for e in of(effects, Publish) if "/chunk/" in e.topic
    )
    assert np.array_equal(decode_sums(data, 6), sums)


def want(offer: UpdateOffer, *indexes: int) -> Want:
    total = offer.payload.chunks
    return Want(offer.update, offer.payload.digest, bitmap_of(indexes or range(total), total))


def test_work_becomes_an_offer_and_what_is_wanted_of_it(gateway: Participant) -> None:
    offer = uploading(gateway)
    assert (offer.update.plan, offer.update.version, offer.update.gateway) == ("ward.1", 0, "g1")
    assert (offer.num_examples, offer.loss) == (50, 0.5)
    expected = DELTA.astype("<f4").tobytes()
    assert offer.payload == refer(expected, 512)
    assert chunks(gateway.tick(NOW + 1)) == []
    assert chunks(hear(gateway, want(offer, 1))) == [1]
    assert gateway.state is GatewayState.UPLOADING


def test_compression_is_seeded_by_plan_and_gateway(tmp_path: Path) -> None:
    offers_made = []
    for run in "xy":
        journal = Journal(tmp_path / run, "ward/g1", ARTIFACT)
        found = up(Participant(IDENTITY, journal, SIGNER, bytes(8), AGGREGATOR.public))
        work = working(found, plan(codec="q8"))
        offers_made += offers(found.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))
        journal.close()
    assert offers_made[0] == offers_made[1]


@pytest.mark.parametrize("status", set(ReceiptStatus) - {ReceiptStatus.RETRY})
def test_a_receipt_settles_the_update(opened: Open, status: ReceiptStatus) -> None:
    gateway = up(opened())
    offer = uploading(gateway)
    effects = hear(gateway, receipt(offer, status, "because"))
    assert "because" in of(effects, Note)[0].text
    assert said(effects) == [GatewayState.READY]
    assert offers(gateway.tick(NOW + 400)) == []
    again = up(opened())
    assert again.state is GatewayState.READY
    assert of(hear(again, plan()), StartWork) == []


def test_retry_is_not_a_receipt(gateway: Participant) -> None:
    offer = uploading(gateway)
    hear(gateway, receipt(offer, ReceiptStatus.RETRY))
    assert gateway.state is GatewayState.UPLOADING
    assert offers(gateway.tick(NOW + 399)) == []
    assert offers(gateway.tick(NOW + 400)) == [offer]


def test_a_receipt_for_another_update_is_passed_over(gateway: Participant) -> None:
    offer = uploading(gateway)
    other = replace(offer, update=replace(offer.update, sequence=99))
    assert hear(gateway, receipt(other, ReceiptStatus.ACCEPTED)) == []
    assert gateway.state is GatewayState.UPLOADING


def test_an_aggregator_that_is_back_gets_the_offer_at_once(gateway: Participant) -> None:
    hear(gateway, AggregatorPresence(4, AGGREGATOR.public, online=True))
    offer = uploading(gateway)
    assert offers(hear(gateway, AggregatorPresence(4, AGGREGATOR.public, online=False))) == []
    assert offers(hear(gateway, AggregatorPresence(4, AGGREGATOR.public, online=True))) == []
    assert offers(hear(gateway, AggregatorPresence(5, AGGREGATOR.public, online=True))) == [offer]
    assert offers(hear(gateway, AggregatorPresence(3, AGGREGATOR.public, online=True))) == []


def test_a_connection_offers_again(gateway: Participant) -> None:
    offer = uploading(gateway)
    gateway.disconnected()
    assert offers(gateway.tick(NOW + 400)) == []
    assert offers(gateway.connected(NOW + 401)) == [offer]


def test_a_restart_at_every_step_goes_on(opened: Open) -> None:
    hear(up(opened()), announcement(0))

    # Killed while it downloads: the broker still has the model.
    gateway = up(opened())
    effects = hear(gateway, announcement(0))
    assert blob_filters(effects, Subscribe) == chunk_topics(0)
    give(gateway, 0)
    hear(gateway, plan())

    # Killed while it trains: the work starts over, before there is a link.
    gateway = opened()
    gateway.started()
    (work,) = of(gateway.examples(50, NOW), StartWork)
    gateway.connected(NOW)
    assert of(hear(gateway, plan()), StartWork) == []
    (offer,) = offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))

    # Killed while it uploads: the same update, and the plan is answered already.
    gateway = opened()
    gateway.started()
    assert offers(gateway.connected(NOW)) == [offer]
    assert of(hear(gateway, plan()), StartWork) == []
    assert chunks(hear(gateway, want(offer, 0))) == [0]

    # Killed with the link down, and the receipt comes much later.
    gateway = opened()
    gateway.started()
    gateway.connected(NOW)
    hear(gateway, receipt(offer, ReceiptStatus.ACCEPTED))

    gateway = opened()
    gateway.started()
    assert offers(gateway.connected(NOW)) == []


def test_work_that_ends_without_a_link_is_offered_with_the_next(gateway: Participant) -> None:
    work = working(gateway, plan())
    gateway.disconnected()
    assert gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW) == []
    assert len(offers(gateway.connected(NOW))) == 1


def test_updates_go_one_after_the_other(gateway: Participant) -> None:
    first = uploading(gateway, 1)
    work = working(gateway, plan(2))
    assert offers(gateway.worked(work.plan, Trained(-DELTA, 50, 0.4, 4), NOW)) == [first]
    (second,) = offers(hear(gateway, receipt(first, ReceiptStatus.STALE)))
    assert second.update.plan == "ward.2"
    assert second.update.sequence > first.update.sequence


def test_an_upload_whose_room_was_needed_gives_way_to_the_newer_update(tmp_path: Path) -> None:
    with closing(
        Journal(tmp_path / "small", "ward/g1", ARTIFACT, room_bytes=5 * PARAMETERS)
    ) as journal:
        gateway = up(Participant(IDENTITY, journal, SIGNER, bytes(8), AGGREGATOR.public))
        first = uploading(gateway, 1)
        work = working(gateway, plan(2))
        (second,) = offers(gateway.worked(work.plan, Trained(-DELTA, 50, 0.4, 4), NOW))
        assert second.update.plan == "ward.2"
        assert chunks(hear(gateway, want(first))) == []
        assert chunks(hear(gateway, want(second))) == [0, 1, 2]


def test_a_plan_that_is_overtaken_stops(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    effects = hear(gateway, plan(2, version=1))
    assert of(effects, StopWork) == [StopWork("ward.1")]
    (following,) = of(give(gateway, 1), StartWork)
    assert following.plan == plan(2, version=1)
    assert offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)) == []
    (offer,) = offers(gateway.worked(following.plan, Trained(DELTA, 50, 0.5, 4), NOW))
    assert offer.update.plan == "ward.2"


def test_a_plan_whose_deadline_passed_stops(gateway: Participant) -> None:
    working(gateway, plan(1))
    assert of(gateway.tick(NOW + 600), StopWork) == []
    effects = gateway.tick(NOW + 600.5)
    assert of(effects, StopWork) == [StopWork("ward.1")]
    assert said(effects) == [GatewayState.READY]


def test_a_plan_for_others_stops_ours_too(gateway: Participant) -> None:
    working(gateway, plan(1))
    effects = hear(gateway, plan(2, version=1, cohort=Cohort.of(("g2",))))
    assert of(effects, StopWork) == [StopWork("ward.1")]
    assert of(effects, StartWork) == []


def test_work_that_was_declined_is_noted_and_the_next_plan_taken(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    effects = gateway.declined(work.plan, "3 examples", NOW)
    assert of(effects, Note) == [Note("plan ward.1 declined: 3 examples")]
    assert said(effects) == [GatewayState.READY]
    assert of(gateway.tick(NOW + 1), StartWork) == []
    assert len(of(hear(gateway, plan(2)), StartWork)) == 1


def test_work_that_was_interrupted_is_taken_up_again_later(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    effects = gateway.interrupted(work.plan, "the disk is full", 30.0, NOW)
    assert [note.text for note in of(effects, Note)] == [
        "plan ward.1 is taken up again: the disk is full"
    ]
    assert said(effects) == [GatewayState.READY]
    assert of(gateway.tick(NOW + 29), StartWork) == []
    (again,) = of(gateway.tick(NOW + 30), StartWork)
    assert again.plan == plan(1)
    (offer,) = offers(gateway.worked(again.plan, Trained(DELTA, 50, 0.5, 4), NOW + 31))
    assert offer.update.plan == "ward.1"


def test_work_that_was_overtaken_is_not_taken_up_again(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    hear(gateway, plan(2, version=1))
    assert of(gateway.interrupted(work.plan, "the disk is full", 30.0, NOW), Note) == []


def test_work_that_cannot_be_journalled_is_declined_and_not_begun_again(
    gateway: Participant,
) -> None:
    work = working(gateway, plan(1))
    db = gateway._journal._db
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match="full"):
        gateway.worked(work.plan, Trained(np.tile(DELTA, 100), 50, 0.5, 4), NOW)
    gateway.declined(work.plan, "the disk is full", NOW)
    assert of(gateway.tick(NOW + 1), StartWork) == []
    assert gateway.state is GatewayState.READY
    db.execute("PRAGMA max_page_count=100000")
    assert len(of(hear(gateway, plan(2)), StartWork)) == 1


def test_presence_is_said_when_it_is_news_and_as_a_heartbeat(gateway: Participant) -> None:
    assert said(gateway.examples(51, NOW)) == []
    assert said(gateway.examples(60, NOW)) == [GatewayState.READY]
    assert said(gateway.examples(59, NOW)) == [GatewayState.READY]
    assert said(gateway.tick(NOW + 29)) == []
    assert said(gateway.tick(NOW + 30)) == [GatewayState.READY]
    assert said(gateway.tick(NOW + 59)) == []
    assert said(gateway.tick(NOW + 60)) == [GatewayState.READY]


def test_payload_bytes_are_counted_both_ways(opened: Open) -> None:
    gateway = opened()
    effects = gateway.connected(NOW)
    assert gateway.sent_bytes == sum(len(e.payload) for e in of(effects, Publish))
    gateway.receive(TOPICS.plan, b"12345", NOW)
    assert gateway.received_bytes == 5


def test_the_next_round_is_corrected_for_the_gateways_own_drift_even_after_a_crash(
    opened: Open,
) -> None:
    training = TrainingPlan(1, 0.1, 0.0, 0.0, scaffold=True)
    gateway = up(opened())
    first = working(gateway, plan(1, training=training))
    assert first.correction is None
    gateway.worked(first.plan, Trained(DELTA, 50, 0.5, 4), NOW)
    gateway = up(opened())
    second = working(gateway, plan(2, version=1, training=training))
    # Version 1 lies one above version 0: the others went up by 1 where this one went by DELTA.
    assert second.correction is not None
    np.testing.assert_allclose(second.correction, (DELTA - 1) / np.float32(0.4), rtol=1e-5)


def test_a_plan_without_scaffold_or_not_the_next_is_not_corrected(opened: Open) -> None:
    training = TrainingPlan(1, 0.1, 0.0, 0.0, scaffold=True)
    gateway = up(opened())
    first = working(gateway, plan(1, training=training))
    gateway.worked(first.plan, Trained(DELTA, 50, 0.5, 4), NOW)
    assert working(gateway, plan(2, version=1)).correction is None
    gateway = up(opened())
    assert working(gateway, plan(3, version=2, training=training)).correction is None


BATTERY = Obstacle(Reason.BATTERY, "12 %, from 30 % on")
BUDGET = Obstacle(Reason.BUDGET, "today's bytes are spent")


def presences(effects: list[Effect]) -> list[GatewayPresence]:
    return [
        sealed.peek(e.payload, GatewayPresence)
        for e in of(effects, Publish)
        if e.topic == TOPICS.presence("g1")
    ]


def test_work_rests_while_something_is_in_the_way_and_is_taken_up_again(
    gateway: Participant,
) -> None:
    work = working(gateway, plan())
    effects = gateway.judged((BATTERY,), NOW)
    assert of(effects, PauseWork) == [PauseWork("ward.1")]
    assert of(effects, Note) == [Note("takes no part: battery: 12 %, from 30 % on")]
    assert presences(effects)[-1].obstacles == ("battery",)
    assert gateway.judged((BATTERY,), NOW + 10) == []
    effects = gateway.judged((), NOW + 20)
    (again,) = of(effects, StartWork)
    assert (again.plan, again.seed) == (work.plan, work.seed)
    assert presences(effects)[-1].obstacles == ()
    assert len(offers(gateway.worked(again.plan, Trained(DELTA, 50, 0.5, 4), NOW + 30))) == 1


def test_work_that_ended_while_it_was_being_paused_counts(gateway: Participant) -> None:
    work = working(gateway, plan())
    gateway.judged((BATTERY,), NOW)
    assert len(offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))) == 1
    assert of(gateway.judged((), NOW), StartWork) == []


def test_no_work_begins_while_something_is_in_the_way(gateway: Participant) -> None:
    gateway.judged((BATTERY,), NOW)
    assert of(hear(gateway, plan()) + give(gateway, 0), StartWork) == []
    assert len(of(gateway.judged((), NOW), StartWork)) == 1


@pytest.mark.parametrize("staleness_cap", [0, 2])
def test_what_was_learnt_before_a_pause_is_handed_in_before_the_deadline(
    gateway: Participant, staleness_cap: int
) -> None:
    working(gateway, plan(staleness_cap=staleness_cap))
    gateway.judged((BATTERY,), NOW)
    assert of(gateway.tick(NOW + 539), StartWork) == []
    effects = gateway.tick(NOW + 540)
    (again,) = of(effects, StartWork)
    assert [e for e in effects if isinstance(e, StartWork | FinishWork)] == [
        again,
        FinishWork("ward.1"),
    ]
    # That it is looked at again meanwhile does not stop it, nor does it begin twice.
    assert of(gateway.judged((BATTERY,), NOW + 541), PauseWork) == []
    assert of(gateway.tick(NOW + 541), StartWork) == []
    partial = Trained(DELTA, 50, 0.5, 4, share=0.25)
    (offer,) = offers(gateway.worked(again.plan, partial, NOW + 542))
    assert offer.share == 0.25
    assert of(gateway.tick(NOW + 543) + gateway.judged((), NOW + 601), StartWork) == []


@pytest.mark.parametrize("reason", [Reason.CONSENT, Reason.QUALITY, Reason.OLD_EXAMPLES])
def test_nothing_is_handed_in_where_the_wearer_or_the_readings_forbid_it(
    gateway: Participant, reason: Reason
) -> None:
    work = working(gateway, plan())
    gateway.judged((BATTERY, Obstacle(reason, "")), NOW)
    for now in range(530, 602):
        assert of(gateway.tick(NOW + now), StartWork) == []
    assert of(gateway.judged((), NOW + 602), StartWork) == []
    assert offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW + 603)) == []


def test_consent_that_is_withdrawn_while_work_is_handed_in_stops_it(gateway: Participant) -> None:
    working(gateway, plan())
    gateway.judged((BATTERY,), NOW)
    (again,) = of(gateway.tick(NOW + 540), StartWork)
    effects = gateway.judged((BATTERY, Obstacle(Reason.CONSENT, "")), NOW + 541)
    assert of(effects, PauseWork) == [PauseWork("ward.1")]
    partial = Trained(DELTA, 50, 0.5, 4, share=0.25)
    assert offers(gateway.worked(again.plan, partial, NOW + 541)) == []
    assert gateway._journal.pending() is None
    assert offers(gateway.judged((), NOW + 542)) == []


def test_work_that_ended_while_consent_was_withdrawn_does_not_count(gateway: Participant) -> None:
    work = working(gateway, plan())
    gateway.judged((Obstacle(Reason.CONSENT, ""),), NOW)
    assert offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)) == []
    assert gateway._journal.pending() is None


def test_partial_work_waits_for_a_link_that_may_be_used(gateway: Participant) -> None:
    working(gateway, plan())
    gateway.judged((BATTERY, BUDGET), NOW)
    (again,) = of(gateway.tick(NOW + 540), StartWork)
    partial = Trained(DELTA, 50, 0.5, 4, share=0.25)
    assert offers(gateway.worked(again.plan, partial, NOW + 541)) == []
    assert len(offers(gateway.judged((BATTERY,), NOW + 545))) == 1


def test_work_that_never_began_is_not_handed_in(gateway: Participant) -> None:
    gateway.judged((BATTERY,), NOW)
    hear(gateway, plan())
    give(gateway, 0)
    for now in (540, 570, 601):
        assert of(gateway.tick(NOW + now), StartWork) == []


def test_work_of_the_life_before_is_handed_in_too(opened: Open) -> None:
    first = up(opened())
    working(first, plan())
    second = opened()
    second.judged((BATTERY,), NOW)
    second.examples(50, NOW)
    assert of(second.tick(NOW + 539), StartWork) == []
    effects = second.tick(NOW + 540)
    assert len(of(effects, StartWork)) == len(of(effects, FinishWork)) == 1
    # Where there was no step, there is nothing to hand in.
    second.declined(plan(), "the time was over before the first step", NOW + 541)
    assert of(second.tick(NOW + 542), StartWork) == []


def test_an_upload_rests_without_budget_and_goes_on_with_what_is_missing(
    gateway: Participant,
) -> None:
    offer = uploading(gateway)
    gateway.judged((BUDGET,), NOW)
    assert chunks(hear(gateway, want(offer))) == []
    assert offers(gateway.tick(NOW + 900)) == []
    assert offers(gateway.judged((), NOW + 901)) == [offer]
    assert chunks(hear(gateway, want(offer, 2))) == [2]


def test_without_budget_work_goes_on_and_its_update_waits(gateway: Participant) -> None:
    work = working(gateway, plan())
    assert of(gateway.judged((BUDGET,), NOW), PauseWork) == []
    assert offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)) == []
    gateway.disconnected()
    assert offers(gateway.connected(NOW + 5)) == []
    assert len(offers(gateway.judged((), NOW + 10))) == 1


def test_a_twin_is_said_and_nothing_is_trained_until_it_is_gone(gateway: Participant) -> None:
    work = working(gateway, plan(deadline_unix_s=NOW + 3600))
    effects = hear(gateway, IdentityConflict("g1", (bytes(8), b"t" * 8)))
    assert of(effects, PauseWork) == [PauseWork("ward.1")]
    assert [note.level for note in of(effects, Note)] == [logging.ERROR, logging.INFO]
    assert presences(effects)[-1].obstacles == ("twin",)
    # What else stands in the way comes and goes beside it.
    assert presences(gateway.judged((BATTERY,), NOW + 1))[-1].obstacles == ("battery", "twin")
    assert presences(gateway.judged((), NOW + 2))[-1].obstacles == ("twin",)
    assert of(gateway.tick(NOW + 900), StartWork) == []
    effects = gateway.tick(NOW + 901)
    (again,) = of(effects, StartWork)
    assert again.plan == work.plan
    assert presences(effects)[-1].obstacles == ()


def test_an_update_goes_up_beside_a_twin(gateway: Participant) -> None:
    offer = uploading(gateway)
    hear(gateway, IdentityConflict("g1", (bytes(8), b"t" * 8)))
    assert chunks(hear(gateway, want(offer))) == [0, 1, 2]


def test_nothing_is_believed_before_the_aggregators_key_is_known(opened: Open) -> None:
    gateway = up(opened(pinned=False))
    # Brokers send what is retained in any order.
    assert hear(gateway, announcement(3)) == []
    assert hear(gateway, plan(1, 3)) == []
    effects = hear(gateway, AggregatorPresence(1, AGGREGATOR.public, online=True))
    (noted,) = of(effects, Note)
    assert noted.level == logging.WARNING
    assert AGGREGATOR.public.hex() in noted.text
    assert blob_filters(effects, Subscribe) == chunk_topics(3)
    assert len(of(give(gateway, 3), StartWork)) == 1


def test_a_key_that_was_trusted_first_stays_also_after_a_restart(opened: Open) -> None:
    gateway = up(opened(pinned=False))
    hear(gateway, AggregatorPresence(1, AGGREGATOR.public, online=True))
    stranger = Ed25519Signer(b"x" * 32)
    for found in (gateway, up(opened(pinned=False))):
        said_it = AggregatorPresence(9, stranger.public, online=True)
        (noted,) = of(hear(found, said_it, signer=stranger), Note)
        assert noted.level == logging.ERROR
        assert "nothing of it is taken" in noted.text
        assert hear(found, said_it, signer=stranger) == []
        effects = hear(found, plan(), signer=stranger)
        assert [type(effect) for effect in effects] == [Note]
        assert "signature" in of(effects, Note)[0].text
    assert len(of(hear(gateway, plan()) + give(gateway, 0), StartWork)) == 1


def test_the_configured_key_goes_before_the_pinned_one(opened: Open) -> None:
    stranger = Ed25519Signer(b"x" * 32)
    gateway = up(opened(pinned=False))
    hear(gateway, AggregatorPresence(1, stranger.public, online=True), signer=stranger)
    gateway = up(opened(pinned=True))
    assert of(hear(gateway, plan()) + give(gateway, 0), StartWork)


def test_a_forged_receipt_does_not_make_a_gateway_let_go(opened: Open) -> None:
    gateway = up(opened())
    offer = uploading(gateway)
    stranger = Ed25519Signer(b"x" * 32)
    effects = hear(gateway, receipt(offer, ReceiptStatus.ACCEPTED), signer=stranger)
    assert [type(effect) for effect in effects] == [Note]
    assert offers(gateway.tick(NOW + 400)) == [offer]


EF = "residual|topk=0.05|sign|golomb"


def worked(gateway: Participant, number: int, codec_text: str, delta: Any = DELTA) -> UpdateOffer:
    work = working(gateway, plan(number, codec=codec_text))
    (offer,) = offers(gateway.worked(work.plan, Trained(delta, 50, 0.5, 4), NOW))
    return offer


def owed(gateway: Participant) -> Any:
    return gateway._work._journal.residual(PARAMETERS)


def test_what_a_codec_leaves_out_is_in_the_next_update(opened: Open) -> None:
    """Accepted: owed, over a restart too. A second update of nothing at all then sends of it."""
    gateway = up(opened())
    hear(gateway, receipt(worked(gateway, 1, EF), ReceiptStatus.ACCEPTED))
    left = owed(gateway)
    assert np.count_nonzero(left == DELTA) >= 0.9 * PARAMETERS
    again = up(opened())
    offer = worked(again, 2, EF, np.zeros(PARAMETERS, np.float32))
    _, payload = again._work._journal.pending()  # type: ignore[misc]
    assert offer.payload.digest == refer(payload, 512).digest
    shared = IDENTITY.shared(plan(2).seed)
    sent = codec(EF).decompress(payload, shared).dense()
    assert set(np.flatnonzero(sent)) == set(np.argsort(-np.abs(left))[: np.count_nonzero(sent)])
    assert np.allclose(owed(again), left - sent, atol=1e-6)


@pytest.mark.parametrize("status", [ReceiptStatus.REJECTED, ReceiptStatus.STALE])
def test_a_lost_update_leaves_the_residual_as_it_was(
    gateway: Participant, status: ReceiptStatus
) -> None:
    hear(gateway, receipt(worked(gateway, 1, EF), ReceiptStatus.ACCEPTED))
    before = owed(gateway)
    hear(gateway, receipt(worked(gateway, 2, EF), status, "because"))
    assert np.array_equal(owed(gateway), before)


def test_a_residual_that_the_next_codec_cannot_use_is_discarded_with_a_word(
    gateway: Participant,
) -> None:
    hear(gateway, receipt(worked(gateway, 1, EF), ReceiptStatus.ACCEPTED))
    work = working(gateway, plan(2, codec="q8"))
    notes = of(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW), Note)
    assert ["residual is discarded" in note.text for note in notes] == [True]
    assert owed(gateway) is None


def test_control_variates_are_of_what_was_trained_not_of_what_was_sent(
    gateway: Participant,
) -> None:
    """Neither the residual nor the codec's loss may steer local steps."""
    training = replace(plan().training, scaffold=True)
    hear(gateway, receipt(worked(gateway, 1, EF), ReceiptStatus.ACCEPTED))
    work = working(gateway, plan(2, codec=EF, training=training))
    gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)
    variate = gateway._work._journal.control_variate()
    assert variate is not None
    assert np.allclose(variate.own * np.float32(variate.reach), -DELTA, rtol=1e-5)


def test_work_that_still_counts_goes_on_beside_a_newer_plan_which_is_taken_next(
    gateway: Participant,
) -> None:
    work = working(gateway, plan(1, staleness_cap=2))
    for number in (2, 3):
        newer = plan(number, version=number - 1, staleness_cap=2)
        assert of(hear(gateway, newer), StopWork | StartWork) == []  # type: ignore[arg-type]
    # Its deadline does not end it either: late is better than never.
    assert of(gateway.tick(NOW + 601), StopWork | FinishWork) == []  # type: ignore[arg-type]
    effects = gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)
    assert [offer.update.plan for offer in offers(effects)] == ["ward.1"]
    (following,) = of(effects + give(gateway, 2), StartWork)
    assert following.plan.plan == "ward.3"


def test_work_beyond_the_staleness_cap_stops(gateway: Participant) -> None:
    working(gateway, plan(1, staleness_cap=1))
    effects = hear(gateway, plan(2, version=2, staleness_cap=1))
    assert of(effects, StopWork) == [StopWork("ward.1")]


def test_work_for_an_abandoned_round_goes_on_and_is_not_done_twice(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    assert of(hear(gateway, RoundAbandonment(2, "ward.1", 0, 5.0)), Note)
    assert of(hear(gateway, plan(3)), StopWork) == []
    effects = gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)
    assert [offer.update.plan for offer in offers(effects)] == ["ward.1"]
    assert of(effects + gateway.tick(NOW + 1), StartWork) == []


def test_a_further_plan_on_its_own_topic_is_worked_on(gateway: Participant) -> None:
    offer = uploading(gateway)
    hear(gateway, receipt(offer, ReceiptStatus.ACCEPTED))
    topic = TOPICS.reply("g1")
    personal = replace(plan(2), plan="ward.1~2")
    effects = gateway.receive(topic, sealed.seal(personal, topic, AGGREGATOR), NOW)
    assert [work.plan.plan for work in of(effects, StartWork)] == ["ward.1~2"]


def test_shortly_before_the_deadline_partial_work_is_handed_in(gateway: Participant) -> None:
    work = working(gateway, plan(1))
    assert of(gateway.tick(NOW + 539), FinishWork) == []
    assert of(gateway.tick(NOW + 540), FinishWork) == [FinishWork("ward.1")]
    assert of(gateway.tick(NOW + 541), FinishWork) == []
    (offer,) = offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 2, 0.5), NOW + 542))
    assert offer.share == 0.5


def test_an_aggregator_that_is_back_is_not_stormed(tmp_path: Path) -> None:
    waits = []
    for number in range(40):
        identity = replace(IDENTITY, gateway=f"g{number}")
        with closing(Journal(tmp_path / str(number), f"ward/g{number}", ARTIFACT)) as journal:
            found = up(Participant(identity, journal, SIGNER, bytes(8), AGGREGATOR.public))
            asked = plan(cohort=Cohort.of((identity.gateway,)))
            work = working(found, asked)
            found.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)
            hear(found, AggregatorPresence(9, AGGREGATOR.public, online=True, pace_s=100.0))
            topic = TOPICS.offer(identity.gateway)
            waits.append(
                next(
                    s
                    for s in range(200)
                    if any(e.topic == topic for e in of(found.tick(NOW + s), Publish))
                )
            )
    assert max(waits) <= 100
    # Spread evenly: of 40 gateways each tenth of the window gets its share, more or less.
    assert all(1 <= sum(10 * t <= w < 10 * t + 10 for w in waits) <= 10 for t in range(10))


DAY_S = 86_400.0


def test_a_gateway_whose_clock_is_ahead_takes_part_once_it_is_told(opened: Open) -> None:
    gateway, now = opened(), NOW + DAY_S
    gateway.started()
    gateway.examples(50, now)
    (presence,) = presences(gateway.connected(now))
    assert presence.unix_s == now
    assert of(hear(gateway, plan(), now) + give(gateway, 0, now), StartWork) == []
    effects = hear(gateway, ClockNotice(presence.unix_s, NOW + 1), now + 1)
    assert of(effects, Note) == [Note("the clock is +86400 s off the aggregator's")]
    assert Subscribe(TOPICS.plan) in effects
    (work,) = of(hear(gateway, plan(), now + 2) + give(gateway, 0, now + 2), StartWork)
    assert work.plan == plan()
    assert of(gateway.tick(now + 590), StopWork) == []
    assert of(gateway.tick(now + 602), StopWork) == [StopWork("ward.1")]
    (later,) = presences(gateway.tick(now + 700))
    assert later.unix_s == NOW + 700


def test_work_goes_on_when_the_aggregators_clock_is_set_a_day_ahead(
    gateway: Participant,
) -> None:
    working(gateway, plan())
    (presence,) = presences(gateway.connected(NOW + 1))
    hear(gateway, ClockNotice(presence.unix_s, NOW + 2 + DAY_S), NOW + 2)
    # As long as before, until the plan comes again with a deadline of the new time.
    assert of(gateway.tick(NOW + 539), StopWork | FinishWork) == []  # type: ignore[arg-type]
    assert of(gateway.tick(NOW + 541), FinishWork) == [FinishWork("ward.1")]
    hear(gateway, plan(epoch=5, deadline_unix_s=NOW + DAY_S + 900), NOW + 542)
    assert of(gateway.tick(NOW + 890), StopWork) == []
    assert of(gateway.tick(NOW + 910), StopWork) == [StopWork("ward.1")]


@pytest.mark.parametrize(("echo_s", "later_s"), [(-1.0, 1.0), (0.0, 61.0)])
def test_an_answer_to_something_else_or_too_late_sets_no_clock(
    gateway: Participant, echo_s: float, later_s: float
) -> None:
    effects = hear(gateway, ClockNotice(NOW + echo_s, 5.0), NOW + later_s)
    assert of(effects, Note) == []
    working(gateway, plan())
    assert of(gateway.tick(NOW + 601), StopWork) == [StopWork("ward.1")]


def test_a_plan_that_is_given_more_time_is_worked_on_to_its_new_end(gateway: Participant) -> None:
    work = working(gateway, plan())
    longer = plan(epoch=5, deadline_unix_s=NOW + 900)
    assert of(hear(gateway, longer), StartWork) == []
    assert of(gateway.tick(NOW + 700), StopWork) == []
    assert len(offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW + 700))) == 1


FOUR_G = (LinkCodec("4g", "residual|topk=0.1|sign|golomb"),)
# Of all small updates here, so that their messages can be read.
CODECS = (*FOUR_G, LinkCodec("sums", "sums"), LinkCodec("ef", EF))


@pytest.mark.parametrize(("link", "expected"), [("4g", FOUR_G[0].codec), ("wifi", "none")])
def test_a_gateway_takes_the_codec_of_its_class_of_link(
    gateway: Participant, link: str, expected: str
) -> None:
    assert presences(gateway.linked(link, NOW))[-1].link == link
    work = working(gateway, plan(links=FOUR_G))
    (offer,) = offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))
    assert offer.codec == expected


def test_a_plan_with_a_codec_for_others_that_we_lack_is_declined(gateway: Participant) -> None:
    effects = hear(gateway, plan(links=(LinkCodec("4g", "zip"),)))
    assert "declined" in of(effects, Note)[-1].text


def test_a_small_update_travels_in_one_message_each_time(gateway: Participant) -> None:
    gateway.linked("4g", NOW)
    work = working(gateway, plan(links=FOUR_G))
    (offer,) = offers(gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW))
    assert offer.codec == FOUR_G[0].codec
    assert offer.payload.size < 512
    assert offers(gateway.tick(NOW + 6)) == [offer]
    assert of(hear(gateway, Receipt(offer.update, ReceiptStatus.DUPLICATE)), Publish)
    assert offers(gateway.tick(NOW + 1000)) == []


def test_a_gateway_reports_what_it_spent_today_and_finds_it_after_a_kill(opened: Open) -> None:
    first = up(opened())
    hear(first, announcement(0))
    give(first, 0)
    spent = first.budget.spent(NOW)
    assert spent > first.received_bytes + first.sent_bytes
    again = opened()
    assert again.budget.spent(NOW) >= spent
    again.examples(50, NOW)
    assert presences(again.connected(NOW))[-1].spent_bytes >= spent
    assert presences(again.tick(NOW + 86_400))[-1].spent_bytes == 0


def test_a_quiet_gateway_says_what_it_is_asked_by_and_no_more(tmp_path: Path) -> None:
    identity = replace(IDENTITY, quiet=True)
    with closing(Journal(tmp_path / "quiet", "ward/g1", ARTIFACT)) as journal:
        gateway = Participant(identity, journal, SIGNER, bytes(8), AGGREGATOR.public)
        gateway.started()
        assert len(said(gateway.connected(NOW))) == 1
        assert len(said(gateway.examples(50, NOW))) == 1
        effects = hear(gateway, plan()) + give(gateway, 0)
        (work,) = of(effects, StartWork)
        effects += gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)
        effects += gateway.tick(NOW + 800)
        assert said(effects) == []
        assert presences(gateway.judged((BATTERY,), NOW + 801))[-1].obstacles == ("battery",)
        assert len(said(gateway.tick(NOW + 1702))) == 1


def test_a_gateway_that_restarts_without_a_link_goes_on_with_its_last_plan(opened: Open) -> None:
    """For days, if the plan gives them: only its deadline ends it."""
    long = plan(deadline_unix_s=NOW + 5 * DAY_S)
    work = working(up(opened()), long)
    again = opened()
    again.started()
    (resumed,) = of(again.examples(50, NOW + 4 * DAY_S), StartWork)
    assert (resumed.plan, resumed.seed) == (long, work.seed)
    assert offers(again.worked(long, Trained(DELTA, 50, 0.5, 4), NOW + 4 * DAY_S)) == []
    third = opened()
    third.started()
    assert of(third.examples(50, NOW + 4 * DAY_S), StartWork) == []
    assert len(offers(third.connected(NOW + 4 * DAY_S))) == 1


def test_a_plan_that_was_given_up_does_not_come_back_with_a_restart(opened: Open) -> None:
    gateway = up(opened())
    working(gateway, plan())
    gateway.tick(NOW + 601)
    again = opened()
    again.started()
    assert of(again.examples(50, NOW), StartWork) == []


class Steps:
    """Versions 0 to 3, each what a q8 step makes of the one before, as the aggregator does it."""

    def __init__(self) -> None:
        self.blobs, self.deltas = [blob(0)], []
        for version in range(1, 4):
            change = DELTA * np.float32(version)
            shared = Shared(Layout.plain(PARAMETERS), version)
            payload = codec("q8").compress(change, shared, np.random.default_rng(version)).payload
            self.deltas.append(pack_delta(self.blobs[-1], "q8", payload))
            self.blobs.append(step_model(self.blobs[-1], self.deltas[-1], shared.layout))
        self.model = refer(self.blobs[-1], 512)
        self.parameters = unpack_model(self.blobs[-1], ARTIFACT, PARAMETERS)[2]

    @property
    def references(self) -> tuple[DeltaReference, ...]:
        return tuple(
            DeltaReference(i, refer(base, 512).digest, refer(delta, 512))
            for i, (base, delta) in enumerate(zip(self.blobs, self.deltas, strict=False))
        )

    def announced(self) -> ModelAnnouncement:
        return announcement(3, model=self.model, deltas=self.references)


def serve(gateway: Participant, steps: Steps, asked: list[Effect]) -> tuple[list[Effect], int]:
    """Answer subscriptions from retained chunks until there are none; returns bytes served too."""
    chunks = {
        TOPICS.blob_chunk(chunk.digest, chunk.index): chunk
        for data in steps.blobs + steps.deltas
        for chunk in cut(data, refer(data, 512), range(refer(data, 512).chunks))
    }
    effects, served = list(asked), 0
    waiting = blob_filters(asked, Subscribe)
    while waiting:
        chunk = chunks[waiting.pop(0)]
        served += len(chunk.data)
        found = hear(gateway, chunk)
        effects += found
        waiting += blob_filters(found, Subscribe)
    return effects, served


def holding(gateway: Participant, *blobs: bytes) -> Participant:
    for data in blobs:
        found = refer(data, 512)
        version = unpack_model(data, ARTIFACT, PARAMETERS)[0]
        hear(gateway, announcement(version, epoch=0, model=found))
        for chunk in cut(data, found, range(found.chunks)):
            hear(gateway, chunk)
    return gateway


def installed_bytes(effects: list[Effect]) -> bytes:
    return of(effects, Install)[-1].model.parameters.tobytes()


@pytest.mark.parametrize("held", [0, 1, 2])
def test_who_holds_an_earlier_version_fetches_the_steps(opened: Open, held: int) -> None:
    steps = Steps()
    gateway = holding(up(opened()), steps.blobs[held])
    effects, served = serve(gateway, steps, hear(gateway, steps.announced()))
    assert served == sum(len(delta) for delta in steps.deltas[held:])
    assert served < len(steps.blobs[-1])
    assert installed_bytes(effects) == steps.parameters.tobytes()
    assert (gateway.version, gateway.state) == (3, GatewayState.READY)
    assert of(effects, Note) == []


def test_who_holds_nothing_or_another_model_fetches_the_whole(opened: Open) -> None:
    steps = Steps()
    gateway = holding(up(opened()), blob(1))
    effects, served = serve(gateway, steps, hear(gateway, steps.announced()))
    assert served == len(steps.blobs[-1])
    assert installed_bytes(effects) == steps.parameters.tobytes()


def test_a_plans_base_comes_by_a_step_too(opened: Open) -> None:
    steps = Steps()
    gateway = holding(up(opened()), steps.blobs[2])
    asked = plan(1, 3, model=steps.model, deltas=steps.references)
    effects, served = serve(gateway, steps, hear(gateway, asked))
    assert served == len(steps.deltas[2])
    (work,) = of(effects, StartWork)
    assert work.model is not None
    assert work.model.parameters.tobytes() == steps.parameters.tobytes()


def test_a_kill_between_two_steps_costs_none_of_what_was_done(opened: Open) -> None:
    steps = Steps()
    gateway = holding(up(opened()), steps.blobs[0])
    hear(gateway, steps.announced())
    for data in steps.deltas[:2]:
        found = refer(data, 512)
        for chunk in cut(data, found, range(found.chunks)):
            hear(gateway, chunk)
    again = up(opened())
    effects, served = serve(again, steps, hear(again, steps.announced()))
    assert served == len(steps.deltas[2])
    assert installed_bytes(effects) == steps.parameters.tobytes()


def spoil_payload(steps: Steps) -> None:
    """The step decodes, and gives another model than the announced one."""
    shared = Shared(Layout.plain(PARAMETERS), 3)
    other = codec("q8").compress(-DELTA, shared, np.random.default_rng(0))
    steps.deltas[2] = pack_delta(steps.blobs[2], "q8", other.payload)


def spoil_base(steps: Steps) -> None:
    steps.deltas[2] = pack_delta(b"another model", "q8", b"x")


def spoil_codec(steps: Steps) -> None:
    steps.deltas[2] = pack_delta(steps.blobs[2], "zip", b"x")


def spoil_blob(steps: Steps) -> None:
    steps.deltas[2] = b"no step at all"


@pytest.mark.parametrize("spoil", [spoil_payload, spoil_base, spoil_codec, spoil_blob])
def test_a_step_that_does_not_give_the_promised_digest_falls_back_to_the_whole(
    opened: Open, spoil: Callable[[Steps], None]
) -> None:
    steps = Steps()
    gateway = holding(up(opened()), steps.blobs[2])
    spoil(steps)
    effects, served = serve(gateway, steps, hear(gateway, steps.announced()))
    assert served == len(steps.deltas[2]) + len(steps.blobs[3])
    (note,) = of(effects, Note)
    assert note.text.startswith("the model is fetched whole: ")
    assert installed_bytes(effects) == steps.parameters.tobytes()


def test_a_base_that_is_not_whole_any_more_falls_back_to_the_whole(
    opened: Open, tmp_path: Path
) -> None:
    steps = Steps()
    gateway = holding(up(opened()), steps.blobs[2])
    with closing(sqlite3.connect(tmp_path / "journal")) as db, db:
        db.execute("UPDATE model SET blob = substr(blob, 1, 100)")
    effects, served = serve(gateway, steps, hear(gateway, steps.announced()))
    assert served == len(steps.deltas[2]) + len(steps.blobs[3])
    assert "not whole" in of(effects, Note)[0].text
    assert installed_bytes(effects) == steps.parameters.tobytes()


def test_a_base_that_is_held_is_not_fetched_again_while_work_rests(gateway: Participant) -> None:
    working(gateway, plan(1))
    effects = gateway.judged((Obstacle(Reason.BATTERY, "low"),), NOW)
    assert len(of(effects, PauseWork)) == 1
    assert blob_filters(effects + gateway.tick(NOW + 40), Subscribe) == []


def test_an_update_is_offered_though_the_plan_could_not_be_struck_out(
    gateway: Participant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full between the two: to work again would find the plan answered, for ever."""
    work = working(gateway, plan())

    def full(kept: Plan | None) -> None:
        raise StorageError("journal.sqlite", "database or disk is full")

    monkeypatch.setattr(gateway._work._journal, "keep_plan", full)
    effects = gateway.worked(work.plan, Trained(DELTA, 50, 0.5, 4), NOW)
    assert len(offers(effects)) == 1
    assert of(effects + gateway.tick(NOW + 1), StartWork) == []
