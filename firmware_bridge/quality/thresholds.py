"""The limits of a window's channels as arrays: from unit, rate, length and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.quality.limits import Limits, limits_of
from firmware_bridge.sample import Channel

Floats = NDArray[np.float64]
# Three equal readings at an end of the scale can be chance; a run of fewer than 5 says little of
# a channel that stands still.
_LEAST_STILL = 5
_QUARTERS_APART = 0.75


@dataclass(frozen=True, slots=True)
class ChannelOverride:
    """What is known better of one channel than the table knows; ``None`` leaves the table's.

    Attributes:
        name: the channel's.
        low, high: readings outside cannot be.
        rails: ends of the sensor's scale, as they are (no sign is added).
        still_s: seconds that it can stay exactly the same.
    """

    name: str
    low: float | None = None
    high: float | None = None
    rails: tuple[float, ...] | None = None
    still_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """One entry a channel: float64[C], in the channel's unit; infinite where nothing is judged.

    Attributes:
        low, high: ends of the range.
        rails: float64[K, C], where the scale ends; NaN where a channel has fewer.
        shaped: bool[C], whether a cut end is known by its shape where it is no known rail.
        still: readings in a row that may be equal, ...
        coarse: ... longer where all are multiples of this; 0 where that does not matter.
        spike: change between readings that is too fast when it goes back at once.
        jitter: change that counts as a reversal when it goes back at once.
        reversals: how many of those a window may have.
        wander: between the medians of the first and the last quarter.
        sustained: of the mean of the window.
    """

    low: Floats
    high: Floats
    rails: Floats
    shaped: NDArray[np.bool_]
    still: Floats
    coarse: Floats
    spike: Floats
    jitter: Floats
    reversals: Floats
    wander: Floats
    sustained: Floats
    # Whether any channel needs the check at all: most windows are of motion sensors, which do not.
    rounds: bool
    wanders: bool
    turns: bool


def thresholds_of(
    channels: Sequence[Channel],
    rate_hz: float,
    length: int,
    overrides: Sequence[ChannelOverride] = (),
) -> Thresholds:
    """Derive the thresholds of windows of ``length`` readings at ``rate_hz``."""
    better = {override.name: override for override in overrides}
    rows = [_row(channel, better.get(channel.name)) for channel in channels]
    rails = [
        _rails(row, better.get(channel.name)) for row, channel in zip(rows, channels, strict=True)
    ]
    seconds = length / rate_hz

    def column(values: Sequence[float]) -> Floats:
        return np.array(values, np.float64)

    return Thresholds(
        low=column([r.low for r in rows]),
        high=column([r.high for r in rows]),
        rails=_padded(rails),
        shaped=np.array([r.shaped for r in rows], np.bool_),
        still=column([max(r.still_s * rate_hz, _LEAST_STILL) for r in rows]),
        coarse=column([r.coarse for r in rows]),
        spike=column([max(r.slew_per_s / rate_hz, r.step) for r in rows]),
        jitter=column([r.jitter for r in rows]),
        reversals=column([max(r.reversals, r.reversals_per_s * seconds) for r in rows]),
        wander=column([r.wander + r.trend_per_s * seconds * _QUARTERS_APART for r in rows]),
        sustained=column([r.sustained + r.turn / seconds for r in rows]),
        rounds=any(r.coarse > 0 for r in rows),
        wanders=any(np.isfinite(r.wander) for r in rows),
        turns=any(np.isfinite(min(r.jitter, r.slew_per_s)) for r in rows),
    )


def _row(channel: Channel, better: ChannelOverride | None) -> Limits:
    row = limits_of(channel.name, channel.unit)
    if better is None:
        return row
    known = {
        name: value
        for name in ("low", "high", "still_s")
        if (value := getattr(better, name)) is not None
    }
    return replace(row, **known)


def _rails(row: Limits, better: ChannelOverride | None) -> tuple[float, ...]:
    if better is not None and better.rails is not None:
        return better.rails
    return row.rails + tuple(-rail for rail in row.rails if row.low < 0)


def _padded(rails: Sequence[tuple[float, ...]]) -> Floats:
    padded = np.full((max(map(len, rails), default=0) or 1, len(rails)), np.nan)
    for column, values in enumerate(rails):
        padded[: len(values), column] = values
    return padded
