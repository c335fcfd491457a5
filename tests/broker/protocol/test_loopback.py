"""The broker without I/O does what MQTT 3.1.1 says."""

from __future__ import annotations

import pytest

from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.loopback import LoopbackBroker, matches


class Client:
    """Remembers what it was given."""

    def __init__(self, broker: LoopbackBroker, name: str, *filters: str) -> None:
        self.broker, self.name = broker, name
        self.got: list[tuple[str, bytes]] = []
        self.tokens: list[str] = []
        broker.connect(name, lambda topic, data: self.got.append((topic, data)), self.tokens.append)
        for topic_filter in filters:
            broker.apply(name, Subscribe(topic_filter))

    def publish(self, topic: str, payload: bytes, **how: object) -> None:
        self.broker.apply(self.name, Publish(topic, payload, **how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+", "a/b/c", False),
        ("+/b", "a/b", True),
        ("+", "/a", False),
        ("+/+", "/a", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "ab", False),
        ("a/+/#", "a", False),
        ("#", "a/b", True),
        ("a", "A", False),
    ],
)
def test_filters_match_as_the_standard_says(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


def test_nothing_is_delivered_before_it_is_pumped_and_then_in_order() -> None:
    broker = LoopbackBroker()
    reader, writer = Client(broker, "r", "t/+"), Client(broker, "w")
    for i in range(5):
        writer.publish(f"t/{i % 2}", bytes([i]))
    assert reader.got == []
    broker.pump()
    assert [payload[0] for _, payload in reader.got] == [0, 1, 2, 3, 4]


def test_overlapping_filters_deliver_once() -> None:
    broker = LoopbackBroker()
    reader = Client(broker, "r", "t/+", "t/#")
    Client(broker, "w").publish("t/1", b"x")
    broker.pump()
    assert reader.got == [("t/1", b"x")]


def test_what_is_retained_comes_with_each_subscription_until_it_is_cleared() -> None:
    broker = LoopbackBroker()
    writer = Client(broker, "w")
    writer.publish("t/1", b"old", retain=True)
    writer.publish("t/1", b"new", retain=True)
    writer.publish("t/2", b"gone")
    early = Client(broker, "early", "t/+")
    broker.pump()
    assert early.got == [("t/1", b"new")]
    writer.publish("t/1", b"", retain=True)
    late = Client(broker, "late", "t/+")
    broker.pump()
    assert late.got == []
    assert early.got[-1] == ("t/1", b"")


def test_a_filter_that_was_given_up_delivers_no_more() -> None:
    broker = LoopbackBroker()
    reader = Client(broker, "r", "t")
    broker.apply("r", Unsubscribe("t"))
    Client(broker, "w").publish("t", b"x")
    broker.pump()
    assert reader.got == []


def test_a_client_that_connects_again_keeps_its_filters() -> None:
    broker = LoopbackBroker()
    Client(broker, "r", "t")
    again = Client(broker, "r")
    Client(broker, "w").publish("t", b"x")
    broker.pump()
    assert again.got == [("t", b"x")]


def test_a_token_comes_back_after_the_delivery() -> None:
    broker = LoopbackBroker()
    order: list[str] = []
    broker.connect("r", lambda *_: order.append("delivered"), order.append)
    broker.connect("w", lambda *_: None, lambda token: order.append(f"published {token}"))
    broker.apply("r", Subscribe("t"))
    broker.apply("w", Publish("t", b"x", token="7"))
    broker.apply("w", Publish("t", b"x"))
    broker.pump()
    assert order == ["delivered", "published 7", "delivered"]


def test_what_a_delivery_publishes_is_delivered_too() -> None:
    broker = LoopbackBroker()
    reader = Client(broker, "r", "pong")
    broker.connect("w", lambda *_: broker.apply("w", Publish("pong", b"!")), lambda _: None)
    broker.apply("w", Subscribe("ping"))
    reader.publish("ping", b"?")
    broker.pump()
    assert reader.got == [("pong", b"!")]


def test_payload_bytes_are_counted_both_ways() -> None:
    broker = LoopbackBroker()
    writer = Client(broker, "w")
    Client(broker, "r1", "t")
    Client(broker, "r2", "t")
    writer.publish("t", b"12345")
    assert broker.sent_bytes == {"w": 5, "r1": 0, "r2": 0}
    assert broker.received_bytes == {"w": 0, "r1": 5, "r2": 5}
