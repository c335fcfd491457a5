"""Checks of how readings change: motion artefacts and spikes."""

from __future__ import annotations

import numpy as np

from firmware_bridge.quality.thresholds import Floats, Thresholds


def reversals(changes: Floats) -> Floats:
    """Size of each change that goes back at once, float64[C, T - 2]; 0 where it goes on.

    The size is that of the smaller of both changes float64[C, T - 1], so that one step is none.
    """
    sizes = np.minimum(np.abs(changes[:, 1:]), np.abs(changes[:, :-1]))
    return np.where(changes[:, 1:] * changes[:, :-1] < 0, sizes, 0.0)


def motion_ratio(turns: Floats, limits: Thresholds) -> Floats:
    """Reversals beyond the jitter of a quiet signal, over as many as the body makes."""
    ratio: Floats = (turns > limits.jitter[:, None]).sum(axis=1) / (limits.reversals + 1.0)
    return ratio


def spike_ratio(turns: Floats, limits: Thresholds) -> Floats:
    """The largest reversal over the fastest that the quantity can change."""
    ratio: Floats = turns.max(axis=1, initial=0.0) / limits.spike
    return ratio
