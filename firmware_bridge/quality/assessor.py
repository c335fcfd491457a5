"""All checks on one window. Pure: NumPy and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.quality.levels import clipping_ratio, drift_ratio, range_ratio
from firmware_bridge.quality.motion import motion_ratio, reversals, spike_ratio
from firmware_bridge.quality.reason import Finding, Reason, WindowQuality, ratio_at, score_of
from firmware_bridge.quality.repeats import duplicate_ratio, equal_steps, flatline_ratio
from firmware_bridge.quality.thresholds import ChannelOverride, Floats, thresholds_of
from firmware_bridge.sample import Channel

# Fewer readings than these have no course that could be judged; their range is.
_LEAST_READINGS = 8


class Assessor:
    """Judges windows of one shape.

    Args:
        channels: of the windows, in order.
        rate_hz: readings a second; ``None`` where each reading is a window of its own, a row of a
            table, whose absent values are natural.
        length: T, readings in a window.
        overrides: what is known better than the table knows.
        min_score: a check whose score is lower fails; 0 lets everything pass.
        max_missing: share of readings that may be absent or interpolated.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        rate_hz: float | None,
        length: int,
        overrides: Sequence[ChannelOverride] = (),
        min_score: float = 0.5,
        max_missing: float = 0.1,
    ) -> None:
        self._names = tuple(channel.name for channel in channels)
        self._limits = thresholds_of(channels, rate_hz or 1.0, length, overrides)
        self._in_time = rate_hz is not None
        self._most = ratio_at(min_score)
        self._max_missing = max_missing

    def assess(self, values: NDArray[np.float32], filled: float = 0.0) -> WindowQuality:
        """Judge a window.

        Args:
            values: float32[T, C] or float32[C], in the channels' units; NaN is an absent reading.
            filled: share of the readings that were interpolated before.
        """
        x = np.ascontiguousarray(np.atleast_2d(values).T, np.float64)
        ratios = {Reason.RANGE: range_ratio(x, self._limits)}
        if self._in_time:
            missing = ~np.isfinite(x)
            share = np.maximum(missing.mean(axis=1), filled)
            ratios[Reason.GAP] = _over(share, self._max_missing)
            if x.shape[1] >= _LEAST_READINGS:
                ratios |= self._course(_bridged(x, missing) if missing.any() else x)
        return self._verdict(ratios)

    def _course(self, x: Floats) -> dict[Reason, Floats]:
        changes = x[:, 1:] - x[:, :-1]
        steps = np.abs(changes)
        still = equal_steps(x, steps)
        limits = self._limits
        ratios = {
            Reason.FLATLINE: flatline_ratio(x, still, limits),
            Reason.CLIPPING: clipping_ratio(x, steps, limits),
            Reason.DUPLICATE: np.full(len(x), duplicate_ratio(x, still)),
            Reason.DRIFT: drift_ratio(x, limits),
        }
        if limits.turns:
            turns = reversals(changes)
            ratios[Reason.MOTION] = motion_ratio(turns, limits)
            ratios[Reason.SPIKE] = spike_ratio(turns, limits)
        return ratios

    def _verdict(self, ratios: dict[Reason, Floats]) -> WindowQuality:
        worst = max(float(ratio.max()) for ratio in ratios.values())
        if worst < self._most:
            return WindowQuality(score_of(worst))
        findings = tuple(
            Finding(self._names[channel], reason, float(ratio[channel]))
            for reason, ratio in ratios.items()
            for channel in np.flatnonzero(ratio >= self._most).tolist()
        )
        return WindowQuality(score_of(worst), findings)


def _over(share: Floats, most: float) -> Floats:
    """At ``most`` itself a window is still clean, so the limit lies a little above it."""
    return share / (most + 1e-9) if most > 0 else np.where(share > 0, 2.0, 0.0)


def _bridged(x: Floats, missing: NDArray[np.bool_]) -> Floats:
    """Absent readings replaced by straight lines, for the checks that look at neighbours."""
    times = np.arange(x.shape[1])
    bridged = x.copy()
    for channel in np.flatnonzero(missing.any(axis=1)).tolist():
        known = ~missing[channel]
        bridged[channel] = np.interp(times, times[known], x[channel, known]) if known.any() else 0.0
    return bridged
