"""Small unsigned integers packed into bytes, least significant bit first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
# Wider than any index into the largest vector of the protocol.
MAX_WIDTH = 24
# Whole bytes of any width, and what a part's bits take fits a core's cache.
_PART = 1 << 15


def packed_bytes(count: int, width: int) -> int:
    """Return how many bytes ``count`` integers of ``width`` bits take."""
    return -(-count * width // 8)


def pack(values: NDArray[np.signedinteger[Any]], width: int) -> bytes:
    """Pack integers of 0 to 2**width - 1; ``width`` is 0 to ``MAX_WIDTH``."""
    if not width:
        return b""
    if width == 8:
        return values.astype(np.uint8).tobytes()
    wide = values.astype(np.uint32)
    bits = np.empty((values.size, width), np.uint8)
    for bit in range(width):
        bits[:, bit] = (wide >> np.uint32(bit)) & np.uint32(1)
    return np.packbits(bits, bitorder="little").tobytes()


def unpack(payload: bytes, count: int, width: int) -> Integers:
    """Unpack ``count`` integers; ``payload`` has the bytes that :func:`packed_bytes` says."""
    if not width:
        return np.zeros(count, np.int64)
    if 8 % width == 0:
        return unpack_octets(payload, count, width).astype(np.int64)
    data = np.frombuffer(payload, np.uint8)
    values = np.empty(count, np.int64)
    # Sums of at most 24 different powers of two are exact in float32, in whatever order.
    weights = (1 << np.arange(width)).astype(np.float32)
    for start in range(0, count, _PART):
        part = values[start : start + _PART]
        octets = data[start * width // 8 : (start + _PART) * width // 8]
        bits = np.unpackbits(octets, count=part.size * width, bitorder="little")
        part[:] = bits.astype(np.float32).reshape(part.size, width) @ weights
    return values


def unpack_octets(payload: bytes, count: int, width: int) -> NDArray[np.uint8]:
    """Unpack ``count`` integers of 1, 2, 4 or 8 bits, as :func:`unpack` does."""
    data = np.frombuffer(payload, np.uint8)
    if width == 8:
        return data
    if width == 1:
        return np.unpackbits(data, count=count, bitorder="little")
    mask = np.uint8((1 << width) - 1)
    values = np.empty((data.size, 8 // width), np.uint8)
    for place in range(8 // width):
        values[:, place] = (data >> np.uint8(place * width)) & mask
    return values.reshape(-1)[:count]
