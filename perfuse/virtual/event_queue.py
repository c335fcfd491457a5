"""Virtual time: what is due next happens next, and the clock stands still in between."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np

Call = Callable[[], None]


@dataclass(slots=True, eq=False)
class Event:
    """Something that is due."""

    at_s: float
    call: Call | None

    def cancel(self) -> None:
        """Let it not happen."""
        self.call = None


class EventQueue:
    """Runs calls in the order of their virtual times.

    Args:
        ties: decides which of several calls that are due at once goes first; without it the one
            that was asked for first. A search for races passes a generator, which replays them.
    """

    def __init__(self, ties: np.random.Generator | None = None) -> None:
        self._ties = ties
        # By when they are due, then by luck, then by who asked first; tuples compare fast.
        self._heap: list[tuple[float, float, int, Event]] = []
        self._numbers = count()
        self.now_s = 0.0

    def at(self, at_s: float, call: Call) -> Event:
        """Have ``call`` made at a time, or now when that has passed; it can be cancelled."""
        luck = 0.0 if self._ties is None else float(self._ties.random())
        event = Event(max(at_s, self.now_s), call)
        heapq.heappush(self._heap, (event.at_s, luck, next(self._numbers), event))
        return event

    def after(self, wait_s: float, call: Call) -> Event:
        """Have ``call`` made after a while."""
        return self.at(self.now_s + wait_s, call)

    def step(self) -> bool:
        """Make the next call; ``False`` when there is none."""
        while self._heap:
            event = heapq.heappop(self._heap)[-1]
            if event.call is not None:
                self.now_s = event.at_s
                event.call()
                return True
        return False

    def run_until(self, at_s: float) -> None:
        """Make every call that is due until a time, and let it be that time."""
        while self._next_s() <= at_s:
            self.step()
        self.now_s = max(self.now_s, at_s)

    def _next_s(self) -> float:
        while self._heap and self._heap[0][-1].call is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")


@dataclass(slots=True)
class PartyClock:
    """One party's idea of the time.

    Attributes:
        offset_s: how far it is ahead of the queue. Adding to it is a jump of this party's clock.
    """

    queue: EventQueue
    offset_s: float = 0.0

    def now(self) -> float:
        """Return Unix-like seconds as this party believes them."""
        return self.queue.now_s + self.offset_s
