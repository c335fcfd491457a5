"""Folding one update at a time gives the weighted mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.aggregator.errors import RoundError
from broker.aggregator.fold import Sum, WeightedMean
from models.coordinates import Coordinates
from models.spec import ParameterBlock, Role


def updates(seed: int, count: int) -> list[tuple[np.ndarray, int]]:
    generator = np.random.default_rng(seed)
    return [
        (generator.normal(0, 0.1, 50).astype(np.float32), int(generator.integers(1, 5000)))
        for _ in range(count)
    ]


def folded(found: list[tuple[np.ndarray, int]]) -> np.ndarray:
    mean = WeightedMean(50)
    for delta, weight in found:
        mean.add(delta, weight)
    return mean.apply(np.linspace(-1, 1, 50, dtype=np.float32))


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_the_fold_is_numpys_weighted_mean(seed: int, count: int) -> None:
    found = updates(seed, count)
    deltas = np.stack([delta for delta, _ in found]).astype(np.float64)
    expected = np.average(deltas, axis=0, weights=[weight for _, weight in found])
    base = np.linspace(-1, 1, 50, dtype=np.float32)
    assert np.allclose(folded(found), base + expected, rtol=0, atol=1e-7)
    assert folded(found).dtype == np.float32


@given(st.integers(0, 2**32), st.randoms())
def test_the_order_of_arrival_does_not_show(seed: int, rnd: object) -> None:
    found = updates(seed, 12)
    other = list(found)
    rnd.shuffle(other)  # type: ignore[attr-defined]
    assert np.allclose(folded(found), folded(other), rtol=0, atol=1e-7)


def test_a_gateway_with_more_examples_weighs_more() -> None:
    mean = WeightedMean(1)
    mean.add(np.array([1], np.float32), 300)
    mean.add(np.array([-1], np.float32), 100)
    assert mean.apply(np.array([10], np.float32)) == pytest.approx([10.5])
    assert (mean.weight, mean.updates) == (400, 2)


def test_nothing_folded_has_no_mean() -> None:
    with pytest.raises(RoundError, match="nothing was folded"):
        WeightedMean(3).apply(np.zeros(3, np.float32))


def test_sums_add_up() -> None:
    total = Sum(2)
    total.add(np.array([1.0, 2.0]))
    total.add(np.array([0.5, -2.0]))
    assert total.total.tolist() == [1.5, 0.0]
    assert total.updates == 2


def test_an_update_counts_for_the_coordinates_that_it_touched() -> None:
    blocks = (
        ParameterBlock("a.weight", (2,), 0, Role.WEIGHT),
        ParameterBlock("b.weight", (2,), 2, Role.WEIGHT),
        ParameterBlock("b.range", (1,), 4, Role.RANGE),
    )
    head = Coordinates(blocks[1:2])
    ends = Coordinates((blocks[0], blocks[2]))
    mean = WeightedMean(5)
    mean.add_part(np.array([6, 9], np.float32), 2, head)
    # Only what a head touches has moved.
    assert mean.apply(np.ones(5, np.float32)).tolist() == [1, 1, 7, 10, 1]
    mean.add(np.array([3, 3, 0, 0, 3], np.float32), 1)
    mean.add_part(np.array([9, 9, 9], np.float32), 1, ends)
    assert mean.updates == 3
    # a and the range: (3 + 9) / 2; b: (2 * 6 + 0) / 3 and (2 * 9 + 0) / 3.
    assert mean.apply(np.zeros(5, np.float32)).tolist() == [6, 6, 4, 6, 6]


@given(st.integers(0, 2**32), st.integers(1, 20))
def test_sparse_updates_fold_as_their_dense_selves(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    sparse, dense = WeightedMean(50), WeightedMean(50)
    for delta, weight in updates(seed, count):
        indices = generator.permutation(50)[:7]
        filled = np.zeros(50, np.float32)
        filled[indices] = delta[indices]
        sparse.add_sparse(indices, delta[indices], weight)
        dense.add(filled, weight)
    assert (sparse.weight, sparse.updates) == (dense.weight, dense.updates)
    assert np.array_equal(sparse.apply(np.ones(50)), dense.apply(np.ones(50)))
