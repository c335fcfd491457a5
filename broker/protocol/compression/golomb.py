"""Golomb-Rice coding of small numbers and of sparse positions (Golomb 1966; Rice 1979).

A number n is written as n >> b in unary and the low b bits as they are. All unary parts come
first, as one stream of bits, then all the low bits: both ends are then vector code. For positions
that are as good as random, n is the gap to the position before, and the code is within a few
hundredths of a bit a position of the least that is possible.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression.bits import MAX_WIDTH, Integers, pack, packed_bytes, unpack
from broker.protocol.compression.sections import Reader, refused, varint


def write_numbers(numbers: NDArray[np.signedinteger[Any]]) -> bytes:
    """Write int[k], none negative: b, the bytes of the unary part, the unary part, the low bits."""
    low_bits = _best_low_bits(numbers)
    high = numbers >> low_bits
    ends = np.cumsum(high + 1) - 1
    unary = np.zeros(int(ends[-1]) + 1 if ends.size else 0, np.uint8)
    unary[ends] = 1
    stream = np.packbits(unary, bitorder="little").tobytes()
    low = pack(numbers & ((1 << low_bits) - 1), low_bits)
    return bytes((low_bits,)) + varint(len(stream)) + stream + low


def read_numbers(reader: Reader, count: int, most: int, total: int) -> Integers:
    """Read int64[count].

    Args:
        reader: at the start of what :func:`write_numbers` wrote.
        count: how many numbers there are.
        most: none is larger.
        total: nor is their sum: what bounds the unary part before it is looked at.

    Raises:
        RemoteProtocolError: it is not such a section.
    """
    (low_bits,) = reader.take(1)
    if low_bits > MAX_WIDTH:
        raise refused(f"{low_bits} low bits, at most {MAX_WIDTH}")
    length = reader.varint()
    limit = packed_bytes(count + (total >> low_bits), 1)
    if length > limit:
        raise refused(f"{length} bytes of unary numbers, at most {limit}")
    stream = np.frombuffer(reader.take(length), np.uint8)
    ends = np.flatnonzero(np.unpackbits(stream, bitorder="little"))
    if ends.size != count or length != (packed_bytes(int(ends[-1]) + 1, 1) if count else 0):
        raise refused(f"{ends.size} numbers in {length} bytes, expected {count}")
    numbers = np.diff(ends, prepend=-1) - 1 << low_bits
    if low_bits:
        numbers |= unpack(reader.take(packed_bytes(count, low_bits)), count, low_bits)
    if count and int(numbers.max()) > most:
        raise refused(f"a number above {most}")
    return numbers


def write_positions(positions: Integers) -> bytes:
    """Write int64[k], strictly ascending."""
    return write_numbers(np.diff(positions, prepend=-1) - 1)


def read_positions(reader: Reader, count: int, length: int) -> Integers:
    """Read ``count`` positions below ``length``, strictly ascending.

    Raises:
        RemoteProtocolError: they are not.
    """
    gaps = read_numbers(reader, count, length, length)
    positions: Integers = np.cumsum(gaps + 1) - 1
    if count and int(positions[-1]) >= length:
        raise refused(f"position {int(positions[-1])} of {length}")
    return positions


def _best_low_bits(numbers: NDArray[np.signedinteger[Any]]) -> int:
    """Return the b that takes the fewest bits; the optimum is next to log2 of the mean."""
    if not numbers.size:
        return 0
    near = int(numbers.mean() + 1).bit_length() - 1
    candidates = range(max(near - 2, 0), min(near + 2, MAX_WIDTH) + 1)
    return min(candidates, key=lambda b: int((numbers >> b).sum()) + numbers.size * b)
