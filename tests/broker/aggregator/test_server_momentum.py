"""The aggregator's momentum as a formula; the coordinator's tests show it over crashes."""

from __future__ import annotations

import numpy as np
import pytest

from broker.aggregator.server_momentum import carried


def vector(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_part_of_the_last_step_is_taken_again() -> None:
    found = carried(vector(5, 5), vector(3, 1), vector(1, 2), 0.5, ())
    np.testing.assert_array_equal(found, vector(6, 4.5))
    assert found.dtype == np.float32


def test_ranges_do_not_go_on() -> None:
    found = carried(vector(5, 5, 5), vector(3, 3, 3), vector(1, 1, 1), 0.5, [slice(1, 2)])
    np.testing.assert_array_equal(found, vector(6, 5, 6))


def test_steps_that_agree_grow_to_their_sum() -> None:
    before, base = vector(0), vector(0)
    for _ in range(60):
        before, base = base, carried(base + vector(1), base, before, 0.6, ())
    assert float((base - before)[0]) == pytest.approx(1 / (1 - 0.6), rel=1e-4)


def test_what_it_is_given_is_not_changed() -> None:
    parameters, base, before = vector(5, 5), vector(3, 3), vector(1, 1)
    carried(parameters, base, before, 0.5, [slice(0, 1)])
    np.testing.assert_array_equal(parameters, vector(5, 5))
    np.testing.assert_array_equal(base, vector(3, 3))
    np.testing.assert_array_equal(before, vector(1, 1))
