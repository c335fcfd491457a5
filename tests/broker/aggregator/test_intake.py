"""Uploads that come in: bounded, resumed, and nobody's business but their gateway's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from broker.aggregator.intake import Intake
from broker.aggregator.round_log import RoundLog
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Chunk, UpdateId, UpdateOffer, Want
from broker.protocol.transfer import cut, indexes_of, refer

PAYLOAD = bytes(range(250)) * 3


@pytest.fixture
def log() -> Iterator[RoundLog]:
    with closing(RoundLog(":memory:", "ward", b"a" * 32)) as log:
        yield log


def offer(payload: bytes = PAYLOAD, gateway: str = "g1", chunk_bytes: int = 256) -> UpdateOffer:
    update = UpdateId("ward.1", 0, gateway, 1)
    return UpdateOffer(update, "sums", 40, 0.0, refer(payload, chunk_bytes))


def chunks(payload: bytes = PAYLOAD, chunk_bytes: int = 256) -> list[Chunk]:
    reference = refer(payload, chunk_bytes)
    return list(cut(payload, reference, range(reference.chunks)))


def missing(want: Want | None, of: UpdateOffer) -> list[int]:
    return [] if want is None else indexes_of(want.missing, of.payload.chunks)


def test_an_upload_completes_in_any_order(log: RoundLog) -> None:
    intake = Intake(log)
    assert missing(intake.offered(offer()), offer()) == [0, 1, 2]
    first, second, third = chunks()
    assert intake.take("g1", third) is None
    assert intake.take("g1", first) is None
    assert intake.take("g1", first) is None
    assert missing(intake.offered(offer()), offer()) == [1]
    assert intake.take("g1", second) == offer()
    assert intake.assemble(offer()) == PAYLOAD


def test_what_came_before_a_restart_is_not_asked_again(log: RoundLog) -> None:
    intake = Intake(log)
    intake.offered(offer())
    intake.take("g1", chunks()[1])
    assert missing(Intake(log).offered(offer()), offer()) == [0, 2]


def test_a_chunk_that_nobody_offered_is_passed_over(log: RoundLog) -> None:
    intake = Intake(log)
    assert intake.take("g1", chunks()[0]) is None
    intake.offered(offer())
    assert intake.take("g2", chunks()[0]) is None
    assert missing(intake.offered(offer()), offer()) == [0, 1, 2]


def test_a_chunk_that_does_not_fit_is_refused_and_not_kept(log: RoundLog) -> None:
    intake = Intake(log)
    intake.offered(offer())
    with pytest.raises(RemoteProtocolError):
        intake.take("g1", replace(chunks()[0], data=b"short"))
    assert missing(intake.offered(offer()), offer()) == [0, 1, 2]


def test_wrong_content_is_refused_and_can_be_sent_again(log: RoundLog) -> None:
    intake = Intake(log)
    intake.offered(offer())
    for chunk in (replace(chunks()[0], data=b"!" * 256), *chunks()[1:]):
        intake.take("g1", chunk)
    with pytest.raises(RemoteProtocolError, match="do not add up"):
        intake.assemble(offer())
    assert missing(intake.offered(offer()), offer()) == [0, 1, 2]
    for chunk in chunks():
        intake.take("g1", chunk)
    assert intake.assemble(offer()) == PAYLOAD


def test_two_gateways_with_the_same_payload_do_not_meet(log: RoundLog) -> None:
    intake = Intake(log)
    theirs = offer(gateway="g2", chunk_bytes=300)
    intake.offered(offer())
    intake.offered(theirs)
    for chunk in chunks(chunk_bytes=300):
        intake.take("g2", chunk)
    for chunk in chunks():
        intake.take("g1", chunk)
    assert intake.assemble(theirs) == PAYLOAD
    assert intake.assemble(offer()) == PAYLOAD


def test_a_new_offer_takes_the_place_of_the_old_one(log: RoundLog) -> None:
    intake = Intake(log)
    intake.offered(offer())
    intake.take("g1", chunks()[0])
    other = offer(b"other" * 100)
    intake.offered(other)
    assert intake.take("g1", chunks()[1]) is None
    assert log.kept_chunks("g1", offer().payload.digest) == set()
    for chunk in chunks(b"other" * 100):
        intake.take("g1", chunk)
    assert intake.assemble(other) == b"other" * 100


def test_the_same_payload_cut_otherwise_starts_over(log: RoundLog) -> None:
    intake = Intake(log)
    intake.offered(offer())
    intake.take("g1", chunks()[0])
    again = offer(chunk_bytes=300)
    assert missing(intake.offered(again), again) == [0, 1, 2]
    for chunk in chunks(chunk_bytes=300):
        intake.take("g1", chunk)
    assert intake.assemble(again) == PAYLOAD


def test_nothing_is_left_of_an_upload_before_a_restart_that_is_not_offered_again(
    log: RoundLog,
) -> None:
    first = Intake(log)
    first.offered(offer())
    first.take("g1", chunks()[0])
    Intake(log).offered(offer(b"other" * 100))
    assert log.kept_chunks("g1", offer().payload.digest) == set()


def test_offers_of_bases_that_are_too_old_are_forgotten(log: RoundLog) -> None:
    intake = Intake(log)
    intake.offered(offer())
    assert intake.expire(0) == []
    assert intake.expire(1) == [offer()]
    assert intake.take("g1", chunks()[0]) is None


def begin(intake: Intake, gateway: str, now: float) -> UpdateOffer:
    """Offer an update and send one piece of it."""
    made = offer(gateway=gateway)
    assert intake.has_room(made, now)
    intake.offered(made, now)
    intake.take(gateway, chunks()[0], now)
    return made


def test_uploads_that_came_to_a_halt_give_way_the_oldest_first(log: RoundLog) -> None:
    intake = Intake(log, room_bytes=3 * len(PAYLOAD) - 1)
    begin(intake, "g1", 0.0)
    second = begin(intake, "g2", 10.0)
    late = offer(gateway="g3")
    assert not intake.has_room(late, 59.0)  # both are under way
    assert intake.has_room(second, 59.0)  # who is in already takes no more room
    assert intake.has_room(late, 61.0)
    assert [found.gateway for found in log.uploads(but="")] == ["g2"]
    assert log.kept_chunks("g1", late.payload.digest) == set()
    assert intake.take("g1", chunks()[1], 62.0) is None


def test_the_room_is_bounded_after_a_restart_too(log: RoundLog) -> None:
    first = Intake(log, room_bytes=3 * len(PAYLOAD) - 1)
    begin(first, "g1", 0.0)
    begin(first, "g2", 10.0)
    again = Intake(log, room_bytes=3 * len(PAYLOAD) - 1)
    begin(again, "g3", 11.0)
    assert [found.gateway for found in log.uploads(but="")] == ["g2", "g3"]
    assert log.upload_bytes(but="") <= 3 * len(PAYLOAD) - 1


def test_an_update_that_is_larger_than_all_the_room_can_come_alone(log: RoundLog) -> None:
    intake = Intake(log, room_bytes=10)
    begin(intake, "g1", 0.0)
    assert not intake.has_room(offer(gateway="g2"), 1.0)
    assert intake.has_room(offer(gateway="g2"), 61.0)
    assert log.uploads(but="") == []
