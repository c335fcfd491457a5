"""One update on its way: a few chunks in flight, and no byte that nobody asked for."""

from __future__ import annotations

import pytest

from broker.protocol import sealed, wire
from broker.protocol.effects import Publish
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Chunk, UpdateId, UpdateOffer, Want
from broker.protocol.signing import Ed25519Signer
from broker.protocol.topics import Topics
from broker.protocol.transfer import bitmap_of, refer
from edge_agent.upload import Upload

TOPICS = Topics("ward")
SIGNER = Ed25519Signer(b"g" * 32)
PAYLOAD = bytes(range(250)) * 10
REFERENCE = refer(PAYLOAD, 256)
OFFER = UpdateOffer(UpdateId("ward.1", 0, "g1", 7), "q8", 40, 0.5, REFERENCE)


@pytest.fixture
def upload() -> Upload:
    return Upload(TOPICS, SIGNER, OFFER, PAYLOAD)


def want(*indexes: int) -> Want:
    return Want(OFFER.update, REFERENCE.digest, bitmap_of(indexes, REFERENCE.chunks))


def sent(effects: list[Publish]) -> list[int]:
    """Indexes of the chunks among the effects, each checked."""
    indexes = []
    for effect in effects:
        if effect.topic == TOPICS.offer("g1"):
            continue
        chunk = wire.decode(effect.payload, Chunk)
        assert effect.topic == TOPICS.update_chunk("g1", REFERENCE.digest, chunk.index)
        assert effect.token
        assert chunk.data == PAYLOAD[chunk.index * 256 :][:256]
        indexes.append(chunk.index)
    return indexes


def test_it_begins_with_nothing_but_the_offer(upload: Upload) -> None:
    (offer,) = upload.begin(0.0)
    assert offer == Publish(TOPICS.offer("g1"), sealed.seal(OFFER, TOPICS.offer("g1"), SIGNER))


def test_four_chunks_are_in_flight_and_each_acknowledgement_sends_one(upload: Upload) -> None:
    first = upload.wanted(want(*range(10)), 0.0)
    assert sent(first) == [0, 1, 2, 3]
    flying, order = [effect.token for effect in first], [0, 1, 2, 3]
    while flying:
        more = upload.published(flying.pop(0), 0.0)
        order += sent(more)
        flying += [effect.token for effect in more]
        assert len(flying) <= 4
    assert order == list(range(10))


def test_only_what_is_wanted_is_sent(upload: Upload) -> None:
    assert sent(upload.wanted(want(2, 9), 0.0)) == [2, 9]


def test_what_is_in_flight_is_not_sent_again(upload: Upload) -> None:
    first = upload.wanted(want(*range(10)), 0.0)
    assert sent(upload.wanted(want(*range(10)), 1.0)) == []
    assert sent(upload.published(first[0].token, 1.0)) == [4]
    # The broker has chunk 0, the aggregator says that it does not: it was lost on the way.
    assert sent(upload.wanted(want(0), 2.0)) == []
    assert sent(upload.published(first[1].token, 2.0)) == [0]


def test_a_token_of_another_publication_is_not_ours(upload: Upload) -> None:
    upload.wanted(want(*range(10)), 0.0)
    assert upload.published("7/99", 0.0) == []
    assert upload.published("", 0.0) == []


def test_a_bitmap_that_does_not_fit_is_refused(upload: Upload) -> None:
    with pytest.raises(RemoteProtocolError):
        upload.wanted(Want(OFFER.update, REFERENCE.digest, b"\x01"), 0.0)


def test_in_silence_it_offers_again_after_twice_as_long_and_at_most_five_minutes(
    upload: Upload,
) -> None:
    upload.begin(0.0)
    offered, waits = 0.0, []
    for now in range(1, 1800):
        if upload.tick(float(now)):
            waits.append(now - offered)
            offered = float(now)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]


def test_an_answer_begins_the_waiting_anew(upload: Upload) -> None:
    upload.begin(0.0)
    assert upload.tick(5.0)
    first = upload.wanted(want(0, 1), 6.0)
    assert upload.tick(10.9) == []
    upload.published(first[0].token, 10.9)
    assert upload.tick(15.8) == []
    assert len(upload.tick(15.9)) == 1
