"""Runs of true values along time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def longest_runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return int64[C], the longest run of true values in each row of bool[C, T]."""
    rows, length = mask.shape
    # The false values, with one before each row and one after it; a run is what lies between two.
    false = np.ones((rows, length + 2), np.bool_)
    np.logical_not(mask, out=false[:, 1:-1])
    row, at = np.nonzero(false)
    between = np.diff(row * (length + 2) + at) - 1
    # From the end of a row to the start of the next lies nothing, so rows do not run together.
    longest: NDArray[np.int64] = np.zeros(rows, np.int64)
    np.maximum.at(longest, row[:-1], between)
    return longest
