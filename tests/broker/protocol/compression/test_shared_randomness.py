"""What a cohort draws from the round's seed is the same everywhere, and random."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.compression.shared_randomness import random_coordinates, random_signs


def test_coordinates_are_those_that_every_gateway_draws() -> None:
    # The stream is NumPy's promise for every version and machine: a change would part a cohort.
    assert random_coordinates(7, 100, 5).tolist() == [11, 25, 29, 57, 63]
    assert random_signs(7, 8).tolist() == [1, 1, 1, -1, -1, -1, 1, 1]


@pytest.mark.parametrize("count", [1, 3, 10])
def test_coordinates_are_distinct_and_ascending(count: int) -> None:
    found = random_coordinates(1, 10, count)
    assert found.size == count
    assert (np.diff(found) > 0).all()
    assert 0 <= found[0] <= found[-1] < 10


def test_every_coordinate_is_as_likely() -> None:
    runs, length, count = 4000, 20, 5
    drawn = np.bincount(
        np.concatenate([random_coordinates(seed, length, count) for seed in range(runs)])
    )
    deviation = np.sqrt(runs * 0.25 * 0.75)
    assert (np.abs(drawn - runs / 4) < 4.5 * deviation).all()


def test_signs_are_fair() -> None:
    assert abs(float(random_signs(3, 100_000).mean())) < 0.015
