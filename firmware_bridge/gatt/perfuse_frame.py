"""Our own frame over Bluetooth LE: a serial line's bytes, cut into notifications (docs/frame.md).

A frame is longer than most notifications. Its zero byte already says where it ends, so that a
notification may hold a part of one, one, or several; a lost one costs the frames that it touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from firmware_bridge.errors import FrameError
from firmware_bridge.frame import (
    Batch,
    MarkMessage,
    Message,
    StreamDescription,
    decode_frame,
    encode_frame,
)
from firmware_bridge.frame_envelope import DELIMITER
from firmware_bridge.profile import GattLink, JsonFields, Profile
from firmware_bridge.sampling import no_samples

NAME = "perfuse_frame"
# Drawn at random, as vendors' UUIDs are.
SERVICE = "22770001-8fa9-4227-8136-d1826ba988d7"
CHARACTERISTIC = "22770002-8fa9-4227-8136-d1826ba988d7"


def decode(data: bytes) -> Message:
    """Decode one frame with the zero byte that ends it.

    Raises:
        FrameError: the bytes are not exactly what ``encode_frame`` writes.
    """
    if not data.endswith(DELIMITER):
        raise FrameError(NAME, "no zero byte at the end")
    return decode_frame(data[:-1])


def to_json(m: Message) -> JsonFields:
    """Fields of the command line."""
    match m:
        case StreamDescription():
            fields: dict[str, Any] = {
                "kind": "description",
                "stream_id": m.stream_id,
                "name": m.name,
                "interval_ns": m.interval_ns,
                "channels": [[channel.name, channel.unit] for channel in m.channels],
                "scales": list(m.scales),
            }
        case Batch():
            fields = {
                "kind": "batch",
                "stream_id": m.stream_id,
                "sequence": m.sequence,
                "timestamp_ns": m.timestamp_ns,
                "readings": np.frombuffer(m.readings, "<i2").tolist(),
            }
        case MarkMessage():
            fields = {
                "kind": "mark",
                "sequence": m.sequence,
                "timestamp_ns": m.timestamp_ns,
                "label": m.label,
            }
    return fields


PROFILES = (
    Profile(
        name=NAME,
        title="perfuse's own frame",
        aliases=("perfuse-frame",),
        decode=decode,
        encode=encode_frame,
        to_json=to_json,
        # A batch means nothing without its description: FrameStream makes the samples.
        to_samples=no_samples,
        # State is repeated each second, so that three seconds without a byte are a dead link.
        gatt=GattLink(SERVICE, CHARACTERISTIC, interval_s=1.0, bond=True, pieces=True),
    ),
)
