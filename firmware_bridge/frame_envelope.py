"""The envelope of a serial frame: COBS(payload, CRC32 of it) and a zero byte that ends it.

COBS (Cheshire and Baker 1999) leaves no zero byte inside a frame, so that a reader finds the next
frame after any garbage. The CRC is zlib's (IEEE 802.3, reflected), little-endian: without one,
two of three corrupted frames still decoded to plausible readings when that was measured.
"""

from __future__ import annotations

import zlib

from cobs import cobs

from firmware_bridge.errors import FrameError

PROFILE = "perfuse-frame"
DELIMITER = b"\x00"

# 4096 bytes take 0.36 s at 115200 baud: a longer frame would delay a reading more than a window
# can wait, lose more to one flipped bit, and not fit the buffer of a small microcontroller.
MAX_FRAME_BYTES = 4096
_CRC_BYTES = 4
# What remains for the payload after the delimiter, the CRC and one COBS byte in 254.
MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - 1 - _CRC_BYTES - (MAX_FRAME_BYTES // 254 + 1)


def seal(payload: bytes) -> bytes:
    """The frame that carries ``payload``, with its delimiter.

    Raises:
        ValueError: the payload is longer than MAX_PAYLOAD_BYTES.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(
            f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES} fit a frame"
        )
    crc = zlib.crc32(payload).to_bytes(_CRC_BYTES, "little")
    sealed: bytes = cobs.encode(payload + crc)
    return sealed + DELIMITER


def unseal(line: bytes) -> bytes:
    """The payload of a frame without its delimiter.

    Raises:
        FrameError: too long, not COBS, too short for its CRC, or the CRC differs.
    """
    if len(line) >= MAX_FRAME_BYTES:
        raise FrameError(PROFILE, f"frame longer than {MAX_FRAME_BYTES} bytes")
    try:
        sealed: bytes = cobs.decode(line)
    except cobs.DecodeError as error:
        raise FrameError(PROFILE, f"not COBS: {error}") from error
    payload, crc = sealed[:-_CRC_BYTES], sealed[-_CRC_BYTES:]
    if len(crc) < _CRC_BYTES or zlib.crc32(payload) != int.from_bytes(crc, "little"):
        raise FrameError(PROFILE, "checksum differs")
    return payload
