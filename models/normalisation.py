"""Per-channel normalisation, and the sums from which a population computes it together.

The channel is always the last axis: windows are [n, T, C], tables are [n, F].
Sums add up, so gateways send three numbers a channel instead of readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError

# A channel that never moves still needs something to divide by.
STD_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and standard deviation of each channel, in the channel's own unit."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise ParameterError("normalisation needs one mean and one std for each channel")
        if not np.isfinite(self.mean).all() or not np.isfinite(self.std).all():
            raise ParameterError("normalisation has a mean or std that is not finite")
        if min(self.std) <= 0.0:
            raise ParameterError("normalisation has a std that is not positive")

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """(x - mean) / std as float32[..., C]; NaN becomes 0, which is the channel's mean.

        Raises ParameterError where x has another number of channels.
        """
        if x.ndim == 0 or x.shape[-1] != len(self.mean):
            raise ParameterError(
                f"normalisation is for {len(self.mean)} channels, the array has shape {x.shape}"
            )
        scaled = (x.astype(np.float32) - _row(self.mean)) / _row(self.std)
        return np.where(np.isnan(scaled), np.float32(0), scaled)


@dataclass(frozen=True, slots=True, eq=False)
class ChannelSums:
    """Count, sum and sum of squares of each channel's known readings, float64[C] each."""

    count: NDArray[np.float64]
    total: NDArray[np.float64]
    total_of_squares: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[Any]) -> ChannelSums:
        """Sums over all axes of x[..., C] but the last; NaN is a reading that is not known."""
        rows = x.reshape(-1, x.shape[-1]).astype(np.float64)
        known = ~np.isnan(rows)
        rows = np.where(known, rows, 0.0)
        return cls(
            known.sum(axis=0, dtype=np.float64), rows.sum(axis=0), np.square(rows).sum(axis=0)
        )

    @classmethod
    def zero(cls, channels: int) -> ChannelSums:
        """The neutral element of `+`."""
        return cls(np.zeros(channels), np.zeros(channels), np.zeros(channels))

    @classmethod
    def from_vector(cls, vector: NDArray[np.float64]) -> ChannelSums:
        """The inverse of `to_vector`; raises ParameterError on anything that no sums give."""
        if vector.ndim != 1 or vector.size == 0 or vector.size % 3:
            raise ParameterError(f"channel sums are float64[3 * C], not shape {vector.shape}")
        if not np.isfinite(vector).all():
            raise ParameterError("channel sums are not finite")
        count, total, squares = vector.astype(np.float64).reshape(3, -1)
        if (count < 0).any() or (squares < 0).any():
            raise ParameterError("channel sums have a negative count or sum of squares")
        return cls(count, total, squares)

    def to_vector(self) -> NDArray[np.float64]:
        """float64[3 * C]: counts, then sums, then sums of squares."""
        return np.concatenate([self.count, self.total, self.total_of_squares])

    def __add__(self, other: ChannelSums) -> ChannelSums:
        if self.count.shape != other.count.shape:
            raise ParameterError(
                f"sums of {self.count.size} and of {other.count.size} channels do not add"
            )
        return ChannelSums(
            self.count + other.count,
            self.total + other.total,
            self.total_of_squares + other.total_of_squares,
        )

    def normalisation(self) -> Normalisation:
        """Population mean and std; a channel without readings or spread gets 0 and 1."""
        count = np.maximum(self.count, 1.0)
        mean = self.total / count
        variance = np.maximum(self.total_of_squares / count - np.square(mean), 0.0)
        std = np.sqrt(variance)
        # Below this the variance is rounding noise of a constant channel, not spread.
        std = np.where(std > STD_FLOOR * np.maximum(np.abs(mean), 1.0), std, 1.0)
        return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


def _row(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)
