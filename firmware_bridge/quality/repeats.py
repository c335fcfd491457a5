"""Checks of readings that say nothing new: flatlines and duplicates.

Readings are float64[C, T] here, a channel a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.quality.runs import longest_runs
from firmware_bridge.quality.thresholds import Floats, Thresholds

Mask = NDArray[np.bool_]

_EQUAL = 1e-6
# Readings are compared each with each other within so many, which bounds the work. The next such
# stretch begins half as many later: what comes again within 120 readings is always found.
_REACH = 256
_LEAST_BLOCK, _MOST_BLOCK = 6, 8
_LEAST_PAIRS, _MOST_PAIRS = 5, 9
# Readings that are whole multiples of a coarse resolution stand still so much longer.
_COARSE = 6.0


def equal_steps(x: Floats, steps: Floats) -> Mask:
    """Where a reading float64[C, T] equals the one before it: bool[C, T - 1].

    Interpolation onto the windows' grid rounds, so equal means to six figures.
    """
    same: Mask = steps <= _EQUAL * np.abs(x[:, 1:])
    return same


def flatline_ratio(x: Floats, still: Mask, limits: Thresholds) -> Floats:
    """Longest run of equal readings over what is natural; ``still`` is of :func:`equal_steps`."""
    runs = longest_runs(still)
    allowed = limits.still
    if limits.rounds:
        whole = np.zeros(x.shape, np.bool_)
        np.equal(x % np.where(limits.coarse > 0, limits.coarse, 1.0)[:, None], 0, out=whole)
        coarse = whole.all(axis=1) & (limits.coarse > 0)
        allowed = np.where(coarse, _COARSE * allowed, allowed)
    return np.where(runs > 0, (runs + 1) / allowed, 0.0)


def duplicate_ratio(x: Floats, still: Mask) -> float:
    """2 where readings came twice, else 0: there is no more or less of it.

    Whole readings, all channels float64[C, T], are compared: a block that comes again later in the
    window, or a stretch in which every reading comes twice. What does not change is left to the
    check for flatlines.
    """
    moving = ~still.all(axis=0)
    return 2.0 if _comes_in_pairs(moving) or _any_block_returns(x, moving) else 0.0


def _comes_in_pairs(moving: Mask) -> bool:
    """Whether a stretch of pairs is equal within each, and mostly unlike from pair to pair."""
    pairs = min(max(4 + len(moving) // 24, _LEAST_PAIRS), _MOST_PAIRS)
    reach = 2 * pairs
    if len(moving) < reach or len(moving) - np.count_nonzero(moving) < pairs:
        return False
    stretches = np.lib.stride_tricks.sliding_window_view(moving, reach)
    within, between = stretches[:, ::2], stretches[:, 1::2]
    return bool((~within.any(axis=1) & (between.sum(axis=1) > pairs // 2)).any())


def _any_block_returns(x: Floats, moving: Mask) -> bool:
    length = x.shape[1]
    block = min(max(length // 12, _LEAST_BLOCK), _MOST_BLOCK)
    marks = _marks(x)
    for start in range(0, max(length - _REACH // 2, 1), _REACH // 2):
        here = slice(start, start + _REACH)
        if _block_returns(marks[here], moving[here], block):
            return True
    return False


def _marks(x: Floats) -> NDArray[np.float32]:
    """One number a reading, float32[T]: equal for equal readings, and hardly for others."""
    low = x.min(axis=1, keepdims=True)
    extent = np.maximum(x.max(axis=1, keepdims=True) - low, 1e-300)
    weights = np.sqrt(np.arange(2.0, 2.0 + len(x)))
    marks: NDArray[np.float32] = (weights @ ((x - low) / extent)).astype(np.float32)
    return marks


def _block_returns(marks: NDArray[np.float32], moving: Mask, block: int) -> bool:
    """Whether ``block`` readings in a row, most of them unlike the one before, come again."""
    count = len(marks)
    if count < 2 * block:
        return False
    # Sorted, equal marks are neighbours: only readings that have a twin can begin a block.
    ordered = np.sort(marks)
    if np.count_nonzero(np.diff(ordered) <= _EQUAL) < block:
        return False
    alike = np.abs(marks[:, None] - marks[None, :]) <= _EQUAL
    runs, length = alike, 1
    while length < block:
        grow = min(length, block - length)
        runs = runs[:-grow, :-grow] & runs[grow:, grow:]
        length += grow
    changes = np.concatenate([[0], np.cumsum(moving[: count - 1])])
    lively = changes[block - 1 :] - changes[: count - block + 1] >= block // 3
    runs &= lively[: len(runs), None]
    return bool(np.triu(runs, 1).any())
