"""Golomb-Rice coding: exact, short, and strict about what it reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.compression.golomb import (
    read_numbers,
    read_positions,
    write_numbers,
    write_positions,
)
from broker.protocol.compression.sections import Reader
from broker.protocol.errors import RemoteProtocolError


@given(st.lists(st.integers(0, 70_000), max_size=60))
def test_numbers_are_read_back(numbers: list[int]) -> None:
    reader = Reader(write_numbers(np.array(numbers, np.int64)))
    found = read_numbers(reader, len(numbers), 70_000, 70_000 * 60)
    reader.end()
    assert found.tolist() == numbers


@given(st.sets(st.integers(0, 999), max_size=200))
def test_positions_are_read_back(positions: set[int]) -> None:
    ascending = np.array(sorted(positions), np.int64)
    reader = Reader(write_positions(ascending))
    assert read_positions(reader, len(positions), 1000).tolist() == sorted(positions)
    reader.end()


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1])
def test_random_positions_take_little_more_than_their_entropy(share: float) -> None:
    length = 1_000_000
    positions = np.flatnonzero(np.random.default_rng(0).random(length) < share)
    entropy = -(share * np.log2(share) + (1 - share) * np.log2(1 - share)) * length
    assert 8 * len(write_positions(positions)) < 1.03 * entropy


@given(st.binary(max_size=60), st.integers(0, 40))
def test_any_bytes_are_positions_or_refused(payload: bytes, count: int) -> None:
    try:
        found = read_positions(Reader(payload), count, 1000)
    except RemoteProtocolError:
        return
    assert found.size == count
    assert (np.diff(found) > 0).all()
    assert found.size == 0 or 0 <= found[0] <= found[-1] < 1000


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "ends early"),
        (b"\x19\x00", "25 low bits"),
        (b"\x00\xff\xff\x7f", "bytes of unary numbers, at most"),
        (b"\x00\x80\x00", "shortest form"),
        (b"\x00\x01\x01", "1 numbers in 1 bytes, expected 2"),
        (b"\x00\x02\x03\x00", "2 numbers in 2 bytes, expected 2"),
        (b"\x00\x02\x01\x04", "position 10 of 10"),
        (b"\x03\x01\x03", "ends early"),
        (b"\x03\x01\x03\xff", "position 15 of 10"),
    ],
)
def test_what_write_positions_does_not_write_is_refused(payload: bytes, reason: str) -> None:
    limit = 10
    with pytest.raises(RemoteProtocolError, match=reason):
        read_positions(Reader(payload), 2, limit)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x18" + b"\xa0\x01" + bytes(159) + b"\x80" + bytes(3),  # 1279 << 24: beyond 31 bits
        b"\x03\x01\x02\x07",  # 1 << 3 | 7
        b"\x00\x02\x00\x80",
    ],
)
def test_a_number_that_is_too_large_is_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="a number above 14"):
        read_numbers(Reader(payload), 1, 14, 2**40)
