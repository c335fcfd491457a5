"""Faults put into clean windows, to try quality checks with. Pure; the generator is an argument.

Sizes are those that faults have in the field, in the channel's unit, whatever the checks' limits
are. A fault that a quantity cannot have in a recognisable form (a spike in the acceleration of a
fall) is not in its table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Window = NDArray[np.float32]


class Fault(StrEnum):
    """What happens to a window."""

    OUT_OF_RANGE = "out of range"
    FLATLINE = "flatline"
    CLIPPING = "clipping"
    GAP = "gap"
    REPEATED_BLOCK = "repeated block"
    DOUBLED_READINGS = "doubled readings"
    DRIFT = "drift"
    MOTION = "motion"
    SPIKE = "spike"


@dataclass(frozen=True, slots=True)
class FaultSizes:
    """How large the faults of one channel are; ``None`` where a channel has no such fault.

    Attributes:
        beyond: a reading that no sensor gives, the least and the largest.
        scale: end of the scale, either side of the middle, that a gain drives the signal into.
        drift: offset that the baseline has gained at the end of a window, least and largest.
        motion: standard deviation of a motion artefact, least and largest.
        spike: of a single reading, least and largest.
        step: resolution that readings are rounded to after a fault; 0 leaves them as they are.
        middle: of the scale.
    """

    beyond: tuple[float, float]
    scale: float | None = None
    drift: tuple[float, float] | None = None
    motion: tuple[float, float] | None = None
    spike: tuple[float, float] | None = None
    step: float = 0.0
    middle: float = 0.0


def inject(
    fault: Fault, window: Window, sizes: Sequence[FaultSizes], rng: np.random.Generator
) -> Window | None:
    """Return a copy float32[T, C] with a fault on one channel, or on all where that is its way.

    ``None`` where no channel has this fault. Gaps are readings that are NaN.
    """
    x = window.astype(np.float64)
    if fault in _ON_ALL:
        return _ON_ALL[fault](x, rng).astype(np.float32)
    able = [i for i, s in enumerate(sizes) if _has(s, fault)]
    if not able:
        return None
    channel = int(rng.choice(able))
    column = _ON_ONE[fault](x[:, channel], sizes[channel], rng)
    step = sizes[channel].step
    x[:, channel] = np.round(column / step) * step if step else column
    return x.astype(np.float32)


_Array = NDArray[np.float64]
_FLAT_SHARE = (0.4, 1.0)
_GAP_SHARE = (0.12, 0.5)
_BLOCK_SHARE = (0.25, 0.34)
_DOUBLED_SHARE = (0.5, 1.0)
_CLIPPED_SHARE = (0.2, 0.5)
_BURST_SHARE = (0.4, 1.0)
# Motion has less power at high frequencies: each reading keeps so much of the one before.
_BURST_MEMORY = 0.3


def _has(sizes: FaultSizes, fault: Fault) -> bool:
    needs = {
        Fault.CLIPPING: sizes.scale,
        Fault.DRIFT: sizes.drift,
        Fault.MOTION: sizes.motion,
        Fault.SPIKE: sizes.spike,
    }
    return needs.get(fault, True) is not None


def _stretch(length: int, share: tuple[float, float], rng: np.random.Generator) -> slice:
    count = min(max(int(np.ceil(rng.uniform(*share) * length)), 1), length)
    start = int(rng.integers(0, length - count + 1))
    return slice(start, start + count)


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice((-1.0, 1.0)))


def _out_of_range(x: _Array, sizes: FaultSizes, rng: np.random.Generator) -> _Array:
    at = rng.choice(len(x), size=int(rng.integers(1, 4)), replace=False)
    x[at] = rng.uniform(*sizes.beyond)
    return x


def _flatline(x: _Array, _sizes: FaultSizes, rng: np.random.Generator) -> _Array:
    where = _stretch(len(x), _FLAT_SHARE, rng)
    x[where] = x[where.start]
    return x


def _clipping(x: _Array, sizes: FaultSizes, rng: np.random.Generator) -> _Array:
    """A gain that drives a share of the readings beyond the end of the scale."""
    assert sizes.scale is not None
    centred = x - np.median(x)
    extent = np.quantile(np.abs(centred), 1.0 - rng.uniform(*_CLIPPED_SHARE))
    gained = centred * (sizes.scale / max(extent, 1e-9))
    cut: _Array = sizes.middle + np.clip(gained, -sizes.scale, sizes.scale)
    return cut


def _drift(x: _Array, sizes: FaultSizes, rng: np.random.Generator) -> _Array:
    """An offset that grows over the first half and stays."""
    assert sizes.drift is not None
    ramp = np.minimum(np.linspace(0.0, 2.0, len(x)), 1.0)
    return x + _sign(rng) * rng.uniform(*sizes.drift) * ramp


def _motion(x: _Array, sizes: FaultSizes, rng: np.random.Generator) -> _Array:
    assert sizes.motion is not None
    where = _stretch(len(x), _BURST_SHARE, rng)
    noise = rng.standard_normal(where.stop - where.start)
    for i in range(1, len(noise)):
        noise[i] = _BURST_MEMORY * noise[i - 1] + np.sqrt(1 - _BURST_MEMORY**2) * noise[i]
    x[where] += rng.uniform(*sizes.motion) * noise
    return x


def _spike(x: _Array, sizes: FaultSizes, rng: np.random.Generator) -> _Array:
    assert sizes.spike is not None
    x[int(rng.integers(1, len(x) - 1))] += _sign(rng) * rng.uniform(*sizes.spike)
    return x


def _gap(x: _Array, rng: np.random.Generator) -> _Array:
    x[_stretch(len(x), _GAP_SHARE, rng)] = np.nan
    return x


def _repeated_block(x: _Array, rng: np.random.Generator) -> _Array:
    """A block that is sent again in place of what came after it."""
    count = int(np.ceil(rng.uniform(*_BLOCK_SHARE) * len(x)))
    start = int(rng.integers(0, len(x) - 2 * count + 1))
    x[start + count : start + 2 * count] = x[start : start + count]
    return x


def _doubled(x: _Array, rng: np.random.Generator) -> _Array:
    where = _stretch(len(x), _DOUBLED_SHARE, rng)
    x[where] = np.repeat(x[where], 2, axis=0)[: where.stop - where.start]
    return x


_ON_ALL = {
    Fault.GAP: _gap,
    Fault.REPEATED_BLOCK: _repeated_block,
    Fault.DOUBLED_READINGS: _doubled,
}
_ON_ONE = {
    Fault.OUT_OF_RANGE: _out_of_range,
    Fault.FLATLINE: _flatline,
    Fault.CLIPPING: _clipping,
    Fault.DRIFT: _drift,
    Fault.MOTION: _motion,
    Fault.SPIKE: _spike,
}
