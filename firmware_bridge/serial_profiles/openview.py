"""The envelope of ProtoCentral's OpenView packets, which all HealthyPi boards share."""

from __future__ import annotations

from functools import partial

from firmware_bridge.errors import FrameError
from firmware_bridge.serial_profiles.resync import match_fixed

PAYLOAD_SIZE = 20
_HEAD = b"\x0a\xfa" + PAYLOAD_SIZE.to_bytes(2, "little") + b"\x02"
_FOOT = b"\x00\x0b"
FRAME_SIZE = len(_HEAD) + PAYLOAD_SIZE + len(_FOOT)

match = partial(match_fixed, head=_HEAD, size=FRAME_SIZE, tail=_FOOT)


def payload_of(profile: str, data: bytes) -> bytes:
    """The 20 bytes within.

    Raises:
        FrameError: another length, head, type or foot.
    """
    if len(data) != FRAME_SIZE or match(data, 0) != FRAME_SIZE:
        raise FrameError(profile, f"{len(data)} bytes from {bytes(data[:5]).hex()} are no frame")
    return bytes(data[len(_HEAD) : -len(_FOOT)])


def wrapped(payload: bytes) -> bytes:
    """Inverse of ``payload_of``.

    Raises:
        ValueError: not 20 bytes.
    """
    if len(payload) != PAYLOAD_SIZE:
        raise ValueError(f"a payload has {PAYLOAD_SIZE} bytes, not {len(payload)}")
    return _HEAD + payload + _FOOT
