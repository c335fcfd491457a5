"""The MQTT packets that a virtual network carries, and how many bytes a real one would."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectPacket:
    """A client's first word, with its will."""

    client: str
    will_topic: str
    will_payload: bytes
    will_retain: bool


@dataclass(frozen=True, slots=True)
class ConnAckPacket:
    """The broker's answer to it."""


@dataclass(frozen=True, slots=True)
class PublishPacket:
    """A message at QoS 1. ``duplicate``: it may have come before."""

    number: int
    topic: str
    payload: bytes
    retain: bool = False
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class PubAckPacket:
    """Whoever sent ``number`` may forget it."""

    number: int


@dataclass(frozen=True, slots=True)
class SubscribePacket:
    """From now on, and what is retained already."""

    topic_filter: str


@dataclass(frozen=True, slots=True)
class UnsubscribePacket:
    """No longer."""

    topic_filter: str


@dataclass(frozen=True, slots=True)
class AcknowledgePacket:
    """SUBACK or UNSUBACK: nobody waits for it, but it takes its bytes."""

    remaining: int


@dataclass(frozen=True, slots=True)
class DisconnectPacket:
    """A farewell: the will is not to be sent."""


Packet = (
    ConnectPacket
    | ConnAckPacket
    | PublishPacket
    | PubAckPacket
    | SubscribePacket
    | UnsubscribePacket
    | AcknowledgePacket
    | DisconnectPacket
)


def size_of(packet: Packet) -> int:
    """Return the bytes of a packet (MQTT 3.1.1, section 3), without TLS and TCP."""
    match packet:
        case PublishPacket(_, topic, payload):
            remaining = 2 + len(topic) + 2 + len(payload)
        case ConnectPacket(client, topic, payload):
            # Protocol name, level, flags, keepalive; then three fields with their lengths.
            remaining = 10 + 2 + len(client) + 2 + len(topic) + 2 + len(payload)
        case SubscribePacket(topic_filter):
            remaining = 2 + 2 + len(topic_filter) + 1
        case UnsubscribePacket(topic_filter):
            remaining = 2 + 2 + len(topic_filter)
        case AcknowledgePacket(remaining):
            pass
        case ConnAckPacket() | PubAckPacket():
            remaining = 2
        case DisconnectPacket():
            remaining = 0
    # The fixed header: one byte, and the length in groups of seven bits.
    return 1 + max(1, -(-remaining.bit_length() // 7)) + remaining
