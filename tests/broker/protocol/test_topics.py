"""Topic names, and what may stand in them."""

from __future__ import annotations

import pytest

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.loopback import matches
from broker.protocol.topics import GatewayTopic, Topics, require_name

TOPICS = Topics("ward")
DIGEST = bytes(range(32))


@pytest.mark.parametrize("name", ["a", "7", "ward-7.east_2", "x" * 64])
def test_a_name_may_stand_in_a_topic(name: str) -> None:
    assert require_name("gateway", name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "_a", "a/b", "a+", "#", "a b", "ä", "a\n", "a\x00", "x" * 65, "$SYS"]
)
def test_a_name_that_may_not_is_refused_and_shown(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="gateway '"):
        require_name("gateway", name)
    with pytest.raises(LocalProtocolError):
        Topics(name)
    with pytest.raises(LocalProtocolError):
        TOPICS.presence(name)


@pytest.mark.parametrize(
    ("topic_filter", "topic"),
    [
        (TOPICS.all_presence, TOPICS.presence("g1")),
        (TOPICS.all_offers, TOPICS.offer("g1")),
        (TOPICS.all_update_chunks, TOPICS.update_chunk("g1", DIGEST, 12)),
        (TOPICS.blob(DIGEST), TOPICS.blob_chunk(DIGEST, 3)),
    ],
)
def test_each_filter_matches_its_topics_and_no_others(topic_filter: str, topic: str) -> None:
    everything = [
        TOPICS.model,
        TOPICS.plan,
        TOPICS.aggregator,
        TOPICS.presence("g1"),
        TOPICS.offer("g1"),
        TOPICS.reply("g1"),
        TOPICS.update_chunk("g1", DIGEST, 12),
        TOPICS.blob_chunk(DIGEST, 3),
        Topics("other").presence("g1"),
    ]
    assert [t for t in everything if matches(topic_filter, t)] == [topic]


def test_a_gateways_topic_comes_apart() -> None:
    assert TOPICS.split_gateway(TOPICS.offer("g1")) == GatewayTopic("g1", ("offer",))
    chunk = TOPICS.split_gateway(TOPICS.update_chunk("g1", DIGEST, 12))
    assert chunk == GatewayTopic("g1", ("chunk", DIGEST.hex(), "12"))


@pytest.mark.parametrize(
    "topic", [TOPICS.plan, TOPICS.model, "", "gateway", "other/gateway/g1/offer", TOPICS.root]
)
def test_other_topics_are_no_gateways(topic: str) -> None:
    assert TOPICS.split_gateway(topic) is None


def test_a_gateway_with_no_name_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="is not a name"):
        TOPICS.split_gateway(f"{TOPICS.root}/gateway/ä/offer")
