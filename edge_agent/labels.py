"""Which label a stretch of time has: from a sensor's marks now, from people at any time. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from firmware_bridge.sample import Mark


@dataclass(frozen=True, slots=True)
class Annotation:
    """From ``start_ns`` to ``end_ns`` (Unix nanoseconds) the wearer does ``label``."""

    start_ns: int
    end_ns: int
    label: str

    def __post_init__(self) -> None:
        if self.end_ns <= self.start_ns:
            raise ValueError("an annotation ends after it starts")


class LabelTrack:
    """The marks of one sensor, bounded: what is older than ``keep_ns`` is let go of.

    A window has a label only when one label covers all of it.
    """

    def __init__(self, keep_ns: int = 3600 * 1_000_000_000) -> None:
        self._keep_ns = keep_ns
        self._times: list[int] = []
        self._labels: list[str | None] = []

    def add(self, mark: Mark) -> None:
        """Take a mark; one that is older than the newest one replaces what came after it."""
        at = bisect_right(self._times, mark.timestamp_ns)
        del self._times[at:], self._labels[at:]
        self._times.append(mark.timestamp_ns)
        self._labels.append(mark.label)
        stale = bisect_right(self._times, mark.timestamp_ns - self._keep_ns) - 1
        if stale > 0:
            del self._times[:stale], self._labels[:stale]

    def label_of(self, start_ns: int, end_ns: int) -> str | None:
        """Return the label that covers all of [start_ns, end_ns), if one does."""
        at = bisect_right(self._times, start_ns) - 1
        if at < 0:
            return None
        last = bisect_right(self._times, end_ns - 1) - 1
        covering = set(self._labels[at : last + 1])
        return covering.pop() if len(covering) == 1 else None
