"""Checks of where the readings lie: range, clipping and drift.

Readings are float64[C, T] here, a channel a row: NumPy is quicker along the last axis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.quality.runs import longest_runs
from firmware_bridge.quality.thresholds import Floats, Thresholds

_RAIL_TOLERANCE = 0.005
_EQUAL = 1e-6
# A share of a window at the ends of its scale that short, hard movements seldom reach: a wrist
# sensor of 1.5 g is cut off for a few readings of many a step.
_CLIPPED_SHARE = 0.15
_CLIPPED_COUNT = 3
# A signal that turns at its peak enters it in steps of its resolution; one that is cut does not.
_SHARP_STEPS = 3.0


def range_ratio(x: Floats, limits: Thresholds) -> Floats:
    """Of readings float64[C, T]: 1 or more where one is outside the range, 0 elsewhere; NaN is in.

    The excess is measured in widths of the range.
    """
    excess = np.fmax(
        np.fmax.reduce(x, axis=1) - limits.high, limits.low - np.fmin.reduce(x, axis=1)
    )
    width = limits.high - limits.low
    share = np.divide(excess, width, out=np.zeros_like(excess), where=np.isfinite(width))
    return np.where(excess > 0, 1.0 + share, 0.0)


def clipping_ratio(x: Floats, steps: Floats, limits: Thresholds) -> Floats:
    """Share of readings at those ends of the window's own extent that look cut.

    An end looks cut where it is a known rail; or, of a quantity whose rails differ from sensor to
    sensor, where three readings in a row are equal and the signal comes and goes in steps that a
    rounded peak does not have.

    Args:
        x: float64[C, T].
        steps: float64[C, T - 1], their absolute differences.
        limits: of the channels.
    """
    high, low = x.max(axis=1), x.min(axis=1)
    cut_off = np.zeros(len(x))
    for end in (high, low):
        near = _EQUAL * np.abs(end)
        at = np.abs(x - end[:, None]) <= near[:, None]
        count = at.sum(axis=1)
        # Most windows touch an end once; only the others are looked at closely.
        if not (many := count >= _CLIPPED_COUNT).any():
            continue
        rail = (np.abs(limits.rails - end) <= np.maximum(_RAIL_TOLERANCE * np.abs(end), near)).any(
            axis=0
        )
        cut = many & (rail | (limits.shaped & _looks_cut(at, steps)))
        cut_off += np.where(cut, count, 0)
    # A channel that never moves is flat, not clipped.
    moves = high - low > _EQUAL * np.abs(high)
    return np.where(moves, cut_off / (_CLIPPED_SHARE * x.shape[1]), 0.0)


def drift_ratio(x: Floats, limits: Thresholds) -> Floats:
    """How far the baseline float64[C, T] moved, or how far from 0 it stays, over what it can."""
    ratio: Floats = np.abs(x.mean(axis=1)) / limits.sustained
    if limits.wanders:
        quarter = max(x.shape[1] // 4, 1)
        moved = np.median(x[:, -quarter:], axis=1) - np.median(x[:, :quarter], axis=1)
        ratio = np.maximum(ratio, np.abs(moved) / limits.wander)
    return ratio


def _looks_cut(at: NDArray[np.bool_], steps: Floats) -> NDArray[np.bool_]:
    edges = at[:, 1:] != at[:, :-1]
    resolution = np.where(steps > 0, steps, np.inf).min(axis=1)
    resolution[np.isinf(resolution)] = 0.0
    sharp = (steps * edges).sum(axis=1) >= _SHARP_STEPS * resolution * edges.sum(axis=1)
    cut: NDArray[np.bool_] = sharp & (longest_runs(at) >= _CLIPPED_COUNT)
    return cut
