"""Bits in bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.compression.bits import MAX_WIDTH, pack, packed_bytes, unpack


@pytest.mark.parametrize("width", range(MAX_WIDTH + 1))
@given(data=st.data())
def test_integers_of_every_width_are_read_back(width: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, (1 << width) - 1), max_size=30))
    payload = pack(np.array(values, np.int64), width)
    assert len(payload) == packed_bytes(len(values), width)
    assert unpack(payload, len(values), width).tolist() == values


def test_the_first_integer_is_in_the_lowest_bits() -> None:
    assert pack(np.array([1, 2, 3, 0]), 2) == bytes([0b00_11_10_01])
    assert pack(np.array([0b10101, 0b11]), 5) == bytes([0b011_10101, 0b00])


@pytest.mark.parametrize("width", [3, 6, 7, 11, 17, 24])
def test_more_integers_than_are_unpacked_at_once_are_read_back(width: int) -> None:
    values = np.random.default_rng(width).integers(0, 1 << width, 70_001)
    assert np.array_equal(unpack(pack(values, width), values.size, width), values)
