"""What happens to a link, as a function of virtual time: the same seed gives the same events.

Pure: nothing here waits. The proxy plays a timeline in (scaled) real time, a simulation in virtual
time, and ``perfuse link show`` prints it.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from perfuse.link.profiles import LinkProfile, PeriodicOutages


class Ending(StrEnum):
    """What an outage does to the connections that it meets."""

    RESET = "reset"  # in the middle of a packet, and both ends are told
    SILENT = "silent"  # nothing passes any more, and neither end is told


class EventKind(StrEnum):
    """What an event does to the link."""

    DOWN = "down"
    UP = "up"
    STALL = "stall"


@dataclass(frozen=True, slots=True)
class Outage:
    """The link is down from ``start_s`` until ``end_s``."""

    start_s: float
    end_s: float
    ending: Ending


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """One line of a timeline.

    Attributes:
        duration_s: how long it lasts; 0 for UP.
        ending: of an outage.
    """

    at_s: float
    kind: EventKind
    duration_s: float = 0.0
    ending: Ending | None = None


class Timeline:
    """A profile's outages and stalls, drawn as far as anybody has looked.

    Args:
        profile: what kind of link.
        rng: where the events come from. Nothing else may draw from it.
    """

    def __init__(self, profile: LinkProfile, rng: np.random.Generator) -> None:
        self.profile = profile
        # Two streams, so that asking for stalls first does not change the outages.
        outage_rng, stall_rng = rng.spawn(2)
        self._outages = _Drawn(_outages(profile, outage_rng))
        self._stalls = _Drawn(_stalls(profile, stall_rng))

    def outage_at(self, at_s: float) -> Outage | None:
        """Return the outage that is going on at a time."""
        outage = self.next_outage(at_s)
        return outage if outage is not None and outage.start_s <= at_s else None

    def next_outage(self, at_s: float) -> Outage | None:
        """Return the outage that is going on at a time, or else the next; ``None``: never again."""
        found = self._outages.first_ending_after(at_s)
        return None if found is None else Outage(found[0], found[1], Ending(found[2]))

    def finish(self, start_s: float, busy_s: float) -> tuple[float, int]:
        """Return when ``busy_s`` of sending are done, and how many stalls held them up.

        Outages are the caller's: what is being sent when one begins is lost.
        """
        stalled = 0
        at_s = start_s
        while (stall := self._stalls.first_ending_after(at_s)) is not None:
            start, end, _ = stall
            if at_s + busy_s <= start:
                break
            busy_s -= max(0.0, start - at_s)
            at_s = end
            stalled += 1
        return at_s + busy_s, stalled

    def events(self, until_s: float) -> Iterator[LinkEvent]:
        """Yield what happens before ``until_s``, in order; stalls inside an outage are nothing."""
        yield from heapq.merge(
            self._outage_events(until_s), self._stall_events(until_s), key=lambda event: event.at_s
        )

    def _outage_events(self, until_s: float) -> Iterator[LinkEvent]:
        at_s = 0.0
        while (outage := self.next_outage(at_s)) is not None and outage.start_s < until_s:
            length_s = outage.end_s - outage.start_s
            yield LinkEvent(outage.start_s, EventKind.DOWN, length_s, outage.ending)
            if outage.end_s < until_s:
                yield LinkEvent(outage.end_s, EventKind.UP)
            at_s = outage.end_s

    def _stall_events(self, until_s: float) -> Iterator[LinkEvent]:
        at_s = 0.0
        while (stall := self._stalls.first_ending_after(at_s)) is not None and stall[0] < until_s:
            start_s, at_s, _ = stall
            if self.outage_at(start_s) is None:
                yield LinkEvent(start_s, EventKind.STALL, at_s - start_s)


_Interval = tuple[float, float, str]


class _Drawn:
    """Intervals in order, drawn when somebody looks that far."""

    def __init__(self, source: Iterator[_Interval]) -> None:
        self._source = source
        self._ends: list[float] = []
        self._intervals: list[_Interval] = []

    def first_ending_after(self, at_s: float) -> _Interval | None:
        while not self._ends or self._ends[-1] <= at_s:
            interval = next(self._source, None)
            if interval is None:
                return None
            self._ends.append(interval[1])
            self._intervals.append(interval)
        return self._intervals[bisect_right(self._ends, at_s)]


def _outages(profile: LinkProfile, rng: np.random.Generator) -> Iterator[_Interval]:
    outages = profile.outages
    if outages is None:
        return
    if isinstance(outages, PeriodicOutages):
        start_s = outages.first_s
        while True:
            yield start_s, start_s + outages.down_s, _ending(profile, rng)
            start_s += outages.every_s
    # Exponential intervals have no memory: the long run's share of down time is right from 0 on.
    at_s = 0.0
    if rng.random() < profile.up_share:
        at_s += _exponential(outages.mean_up_s, rng)
    while True:
        end_s = at_s + _exponential(outages.mean_down_s, rng)
        yield at_s, end_s, _ending(profile, rng)
        at_s = end_s + _exponential(outages.mean_up_s, rng)


def _stalls(profile: LinkProfile, rng: np.random.Generator) -> Iterator[_Interval]:
    if not profile.stall_every_s:
        return
    at_s = 0.0
    while True:
        at_s += _exponential(profile.stall_every_s, rng)
        end_s = at_s + profile.stall_s * (0.5 + rng.random())
        yield at_s, end_s, ""
        at_s = end_s


def _ending(profile: LinkProfile, rng: np.random.Generator) -> str:
    return Ending.SILENT if rng.random() < profile.silent_share else Ending.RESET


def _exponential(mean_s: float, rng: np.random.Generator) -> float:
    # By inversion of one uniform draw, which every NumPy makes alike.
    return -mean_s * math.log1p(-rng.random())
