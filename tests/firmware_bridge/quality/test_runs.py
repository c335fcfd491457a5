"""Runs are counted row by row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from firmware_bridge.quality.runs import longest_runs


@given(
    arrays(
        np.bool_,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
        elements=st.booleans(),
    )
)
def test_it_is_the_longest_stretch_between_false_values(mask):
    expected = [
        max(map(len, "".join("x" if v else " " for v in row).split(" ")), default=0) for row in mask
    ]
    assert longest_runs(mask).tolist() == expected


def test_rows_of_true_values_do_not_run_together():
    assert longest_runs(np.ones((3, 4), np.bool_)).tolist() == [4, 4, 4]
    assert longest_runs(np.ones((2, 0), np.bool_)).tolist() == [0, 0]
