"""The sizes of packets are those that a real client and a real broker exchange."""

from __future__ import annotations

import pytest

from perfuse.virtual.packets import (
    AcknowledgePacket,
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    PubAckPacket,
    PublishPacket,
    SubscribePacket,
    UnsubscribePacket,
    size_of,
)


@pytest.mark.parametrize(
    ("packet", "size"),
    [
        # MQTT 3.1.1, figures of section 3, with these fields.
        (ConnAckPacket(), 4),
        (PubAckPacket(10), 4),
        (AcknowledgePacket(3), 5),
        (DisconnectPacket(), 2),
        (ConnectPacket("ab", "w/t", b"xyz", True), 2 + 10 + (2 + 2) + (2 + 3) + (2 + 3)),
        (SubscribePacket("a/b"), 2 + 2 + (2 + 3) + 1),
        (UnsubscribePacket("a/b"), 2 + 2 + (2 + 3)),
        (PublishPacket(1, "a/b", b""), 2 + (2 + 3) + 2),
        # The length takes a second byte from 128 on, a third from 16,384 on.
        (PublishPacket(1, "a/b", bytes(120)), 2 + (2 + 3) + 2 + 120),
        (PublishPacket(1, "a/b", bytes(121)), 3 + (2 + 3) + 2 + 121),
        (PublishPacket(1, "a/b", bytes(16_376)), 3 + (2 + 3) + 2 + 16_376),
        (PublishPacket(1, "a/b", bytes(16_377)), 4 + (2 + 3) + 2 + 16_377),
    ],
)
def test_sizes(packet, size):
    assert size_of(packet) == size
