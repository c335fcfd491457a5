"""Cutting a sensor's readings into windows of the model's shape and rate. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.sample import Sample

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One window of a sensor.

    Attributes:
        start_ns, end_ns: from its first reading to one interval after its last.
        values: float32[T, C], in the sensor's own units.
        filled: share of its readings that were interpolated over a short gap, 0 to 1.
    """

    sensor: str
    start_ns: int
    end_ns: int
    values: NDArray[np.float32]
    filled: float


@dataclass(slots=True)
class WindowCounters:
    """What happened on the way from readings to windows.

    Attributes:
        windows: windows cut.
        gaps: gaps too long to fill; the window under way was given up.
        filled: readings interpolated over short gaps.
        dropped: readings passed over: absent or infinite values, or a time stamp that stepped back.
    """

    windows: int = 0
    gaps: int = 0
    filled: int = 0
    dropped: int = 0


class Windower:
    """Puts the readings of one stream on the model's time grid and cuts overlapping windows.

    Readings are interpolated linearly on a grid of ``rate_hz`` that begins with the first reading
    after a gap, so that a sensor whose clock runs a little fast or slow still fits the model. A
    gap of more than ``max_gap`` intervals ends the grid: no window spans it.

    Args:
        rate_hz: readings a second that the model wants.
        length: T, readings in a window.
        hop: readings from one window's start to the next one's.
        max_gap: intervals that may be missing in a row and still be filled.
    """

    def __init__(self, rate_hz: float, length: int, hop: int, max_gap: int = 5) -> None:
        self._interval_ns = round(_SECOND_NS / rate_hz)
        self._length = length
        self._hop = hop
        self._max_gap_ns = round((max_gap + 1.5) * self._interval_ns)
        self._times: list[int] = []
        self._rows: list[NDArray[np.float32]] = []
        self._next_ns = 0
        self._grid: list[NDArray[np.float32]] = []
        self._grid_filled: list[bool] = []
        self.counters = WindowCounters()

    def add(self, sample: Sample) -> list[Window]:
        """Take the readings of a sample float32[n, C]; returns the windows that they complete."""
        windows: list[Window] = []
        for i, row in enumerate(sample.values):
            time_ns = sample.timestamp_ns + i * sample.interval_ns
            if self._accept(time_ns, row):
                windows += self._advance(sample.sensor, time_ns, row)
        return windows

    def _accept(self, time_ns: int, row: NDArray[np.float32]) -> bool:
        late_ns = self._times[-1] - time_ns if self._times else -1
        # A clock that was set back by more than a gap begins a new grid with what follows.
        late = 0 <= late_ns <= self._max_gap_ns
        if late or not np.isfinite(row).all():
            self.counters.dropped += 1
            return False
        return True

    def _advance(self, sensor: str, time_ns: int, row: NDArray[np.float32]) -> list[Window]:
        if not self._times or abs(time_ns - self._times[-1]) > self._max_gap_ns:
            self._restart(time_ns, row)
            return []
        before_ns, before = self._times[-1], self._rows[-1]
        self._times[-1], self._rows[-1] = time_ns, row
        windows = []
        # Half an interval of jitter is the same reading; beyond it, the reading was missing.
        missing = time_ns - before_ns > 1.5 * self._interval_ns
        while self._next_ns <= time_ns:
            share = np.float32((self._next_ns - before_ns) / (time_ns - before_ns))
            near = min(time_ns - self._next_ns, self._next_ns - before_ns)
            filled = missing and near > self._interval_ns // 2
            # Not before + share * (row - before): that is not ``row`` where share is 1.
            self._grid.append((1 - share) * before + share * row)
            self._grid_filled.append(filled)
            self.counters.filled += filled
            self._next_ns += self._interval_ns
            if len(self._grid) == self._length:
                windows.append(self._cut(sensor))
        return windows

    def _cut(self, sensor: str) -> Window:
        end_ns = self._next_ns
        window = Window(
            sensor,
            end_ns - self._length * self._interval_ns,
            end_ns,
            np.stack(self._grid).astype(np.float32, copy=False),
            sum(self._grid_filled) / self._length,
        )
        del self._grid[: self._hop], self._grid_filled[: self._hop]
        # A hop of more than a window passes over the readings in between.
        self._next_ns += max(0, self._hop - self._length) * self._interval_ns
        self.counters.windows += 1
        return window

    def _restart(self, time_ns: int, row: NDArray[np.float32]) -> None:
        if self._times:
            self.counters.gaps += 1
        self._times, self._rows = [time_ns], [row]
        self._grid, self._grid_filled = [row], [False]
        self._next_ns = time_ns + self._interval_ns
