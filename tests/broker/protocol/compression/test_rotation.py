"""The Hadamard rotation is orthogonal, undone exactly, and worth its while."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.compression import codec
from broker.protocol.compression.rotation import rotate, rotate_back, rotated_length
from tests.broker.protocol.compression.chains import generator, shared


@pytest.mark.parametrize(("length", "filled"), [(1, 1), (64, 64), (65, 65), (70, 72), (190, 192)])
def test_only_the_last_block_is_filled_up(length: int, filled: int) -> None:
    assert rotated_length(length, 64) == filled


@pytest.mark.parametrize("length", [1, 5, 64, 100, 300])
def test_lengths_and_values_are_kept(length: int) -> None:
    vector = generator(length).normal(size=length).astype(np.float32)
    rotated = rotate(vector, 64, 5)
    assert np.linalg.norm(rotated) == pytest.approx(np.linalg.norm(vector), rel=1e-5)
    assert np.allclose(rotate_back(rotated, length, 64, 5), vector, atol=1e-5)


def test_one_large_value_is_spread_over_its_block() -> None:
    vector = np.zeros(128, np.float32)
    vector[3] = 8
    assert np.allclose(np.abs(rotate(vector, 64, 5)), [1] * 64 + [0] * 64)


def test_it_helps_where_few_values_are_large() -> None:
    """The quantizer's error on a heavy-tailed vector falls to less than half."""
    found = shared()
    vector = np.zeros(found.layout.parameters, np.float32)
    vector[found.layout.body] = generator(1).standard_t(1.5, found.layout.body.size)
    errors = []
    for text in ("q4", "rotate|q4"):
        payload = codec(text).compress(vector, found, generator(2)).payload
        errors.append(np.square(codec(text).decompress(payload, found).dense() - vector).sum())
    assert errors[1] < errors[0] / 2
