"""A recorded session: what a wearer did and what the sensor read meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.sample import Channel


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """An unbroken stretch of readings under one label.

    Attributes:
        label: what the wearer did; None where nobody said.
        start_ns: time of the first reading on the sensor's clock.
        readings: float32[n, C], n >= 1, finite, in the session's units.
    """

    label: str | None
    start_ns: int
    readings: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class RecordedSession:
    """Segments of one sensor in the order of time, none overlapping another.

    Attributes:
        channels: the C channels.
        interval_ns: time between two readings, > 0.
        segments: at least one.

    Raises:
        ValueError: what is said above does not hold.
    """

    channels: tuple[Channel, ...]
    interval_ns: int
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        if self.interval_ns <= 0 or not self.segments:
            raise ValueError(f"interval {self.interval_ns} ns, {len(self.segments)} segments")
        for index, segment in enumerate(self.segments):
            self._check(index, segment)
        for index, (earlier, later) in enumerate(pairwise(self.segments), start=1):
            if later.start_ns < self.end_ns(earlier):
                raise ValueError(f"segment {index} starts before segment {index - 1} ends")

    def end_ns(self, segment: Segment) -> int:
        """When the reading after the segment's last one would come."""
        return segment.start_ns + len(segment.readings) * self.interval_ns

    def _check(self, index: int, segment: Segment) -> None:
        readings = segment.readings
        if readings.ndim != 2 or readings.shape[1] != len(self.channels) or not len(readings):
            shape = f"{readings.shape}, not (n, {len(self.channels)})"
            raise ValueError(f"segment {index} has readings of shape {shape}")
        if readings.dtype != np.float32 or not np.isfinite(readings).all():
            raise ValueError(f"segment {index} has readings that are not finite float32")
