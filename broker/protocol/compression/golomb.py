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


def read_numbers(reader: Reader, count: int, most: int, total: int) -> NDArray[np.int32]:
    """Read int32[count].

    Args:
        reader: at the start of what :func:`write_numbers` wrote.
        count: how many numbers there are.
        most: none is larger; below 2**31.
        total: nor is their sum: what bounds the unary part before it is looked at.

    Raises:
        RemoteProtocolError: it is not such a section.
    """
    ends, low, low_bits = _read_parts(reader, count, total)
    if not count:
        return np.zeros(0, np.int32)
    # A section's length has 28 bits, so these have 31; half the memory is nearly twice the speed.
    last = ends.astype(np.int32)
    numbers = np.empty_like(last)
    numbers[0] = last[0]
    np.subtract(last[1:], last[:-1], out=numbers[1:])
    numbers[1:] -= 1
    if int(numbers.max()) > most >> low_bits:
        raise refused(f"a number above {most}")
    if low is not None:
        numbers <<= low_bits
        numbers |= low.astype(np.int32)
        if int(numbers.max()) > most:
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
    ends, low, low_bits = _read_parts(reader, count, length)
    positions = ends
    if low is not None:
        # The sum of the gaps' high parts up to i is where i's unary part ends, less i.
        places = np.arange(count)
        positions = (ends - places << low_bits) + np.cumsum(low) + places
    if count and int(positions[-1]) >= length:
        raise refused(f"position {int(positions[-1])} of {length}")
    return positions


def _read_parts(reader: Reader, count: int, total: int) -> tuple[Integers, Integers | None, int]:
    """Read where each unary part ends, int64[count], the low bits of each, if any, and b."""
    (low_bits,) = reader.take(1)
    if low_bits > MAX_WIDTH:
        raise refused(f"{low_bits} low bits, at most {MAX_WIDTH}")
    length = reader.varint()
    limit = packed_bytes(count + (total >> low_bits), 1)
    if length > limit:
        raise refused(f"{length} bytes of unary numbers, at most {limit}")
    stream = np.frombuffer(reader.take(length), np.uint8)
    # NumPy looks for what is not zero twice as fast among booleans.
    ends = np.flatnonzero(np.unpackbits(stream, bitorder="little").view(np.bool_))
    if ends.size != count or length != (packed_bytes(int(ends[-1]) + 1, 1) if count else 0):
        raise refused(f"{ends.size} numbers in {length} bytes, expected {count}")
    if not low_bits:
        return ends, None, 0
    return ends, unpack(reader.take(packed_bytes(count, low_bits)), count, low_bits), low_bits


def _best_low_bits(numbers: NDArray[np.signedinteger[Any]]) -> int:
    """Return the b that takes the fewest bits; the optimum is next to log2 of the mean."""
    if not numbers.size:
        return 0
    near = int(numbers.mean() + 1).bit_length() - 1
    candidates = range(max(near - 2, 0), min(near + 2, MAX_WIDTH) + 1)
    return min(candidates, key=lambda b: int((numbers >> b).sum()) + numbers.size * b)
