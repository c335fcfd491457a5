"""What came of what a window shows: the values that a forecast is trained on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.windows import Window
from firmware_bridge.sample import Sample
from models.spec import ModelSpec

_SECOND_NS = 1_000_000_000

Row = NDArray[np.float32]
Outcome = tuple[Window, Row]
"""A window, and float32[targets] in the units of the targets' channels."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A window, and what is known of its targets: float32[targets], NaN where nothing is yet."""

    window: Window
    values: Row


class OutcomeTrack:
    """Holds the windows of one sensor until the values that they should have foretold are read.

    A target is its channel's value `ahead` readings after the window's last one, interpolated
    between the two readings around that moment as a window's own readings are. Where readings are
    missing and neither is within half an interval of it, nobody has measured what came, and the
    window is lost; a gap before that moment does no harm. What waits is in memory: windows that
    wait when the agent ends are lost, too.

    Args:
        spec: a regression's over windows in time.
        plausible: whether a reading float32[C] can be; what cannot is nothing to learn.
        max_gap: as of the windows: a reading that steps back by no more has come late.

    Attributes:
        lost: windows whose outcome was not measured.
    """

    def __init__(self, spec: ModelSpec, plausible: Callable[[Row], bool], max_gap: int = 5) -> None:
        places = {channel.name: i for i, channel in enumerate(spec.channels)}
        self._targets = [(places[target.channel], target.ahead) for target in spec.targets]
        self._interval_ns = round(_SECOND_NS / (spec.rate_hz or 1.0))
        self._late_ns = round((max_gap + 1.5) * self._interval_ns)
        self._plausible = plausible
        self._waiting: list[_Waiting] = []
        self._last: tuple[int, Row] | None = None
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Windows whose outcome is still to come."""
        return len(self._waiting)

    def expect(self, window: Window) -> None:
        """Let a window wait; what completes it must not have been taken yet."""
        values = np.full(len(self._targets), np.nan, np.float32)
        for index, (place, ahead) in enumerate(self._targets):
            if not ahead:
                values[index] = window.values[-1, place]
        self._waiting.append(_Waiting(window, values))

    def add(self, sample: Sample) -> list[Outcome]:
        """Take readings float32[n, C]; returns the windows that they complete, oldest first."""
        found: list[Outcome] = []
        for i, row in enumerate(sample.values):
            if np.isfinite(row).all():
                found += self._take(sample.timestamp_ns + i * sample.interval_ns, row)
        return found

    def _take(self, time_ns: int, row: Row) -> list[Outcome]:
        before, after = self._last, (time_ns, row)
        if before is not None and time_ns <= before[0]:
            if before[0] - time_ns <= self._late_ns:
                return []
            # The clock was set back: what waits was promised on another one.
            self.lost += len(self._waiting)
            self._waiting.clear()
            before = None
        self._last = after
        still, found = [], []
        for waiting in self._waiting:
            if not self._answer(waiting, before, after):
                self.lost += 1
            elif np.isnan(waiting.values).any():
                still.append(waiting)
            else:
                found.append((waiting.window, waiting.values))
        self._waiting = still
        return found

    def _answer(
        self, waiting: _Waiting, before: tuple[int, Row] | None, after: tuple[int, Row]
    ) -> bool:
        """Fill in what lies between two readings; `False` where nobody has measured it."""
        for index, (place, ahead) in enumerate(self._targets):
            due_ns = waiting.window.end_ns + (ahead - 1) * self._interval_ns
            if not np.isnan(waiting.values[index]) or due_ns > after[0]:
                continue
            row = self._between(before, after, due_ns)
            if row is None or not self._plausible(row):
                return False
            waiting.values[index] = row[place]
        return True

    def _between(
        self, before: tuple[int, Row] | None, after: tuple[int, Row], due_ns: int
    ) -> Row | None:
        if due_ns == after[0]:
            return after[1]
        if before is None or due_ns < before[0]:
            return None
        span_ns = after[0] - before[0]
        near_ns = min(after[0] - due_ns, due_ns - before[0])
        if span_ns > 1.5 * self._interval_ns and near_ns > self._interval_ns // 2:
            return None
        share = np.float32((due_ns - before[0]) / span_ns)
        return np.asarray((1 - share) * before[1] + share * after[1], np.float32)
