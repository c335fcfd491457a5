"""One direction of a link: when bytes that are sent arrive, and what they cost. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from perfuse.link.timeline import Timeline

# What one lost packet makes TCP send again: a segment of Ethernet's size.
SEGMENT_BYTES = 1460


@dataclass(slots=True)
class Traffic:
    """Bytes of one direction.

    Attributes:
        spent: what the link carried, whether it arrived or not, lost segments twice.
        delivered: what arrived.
    """

    spent: int = 0
    delivered: int = 0


@dataclass(frozen=True, slots=True)
class _Passage:
    start_s: float
    end_s: float
    size: int


class Wire:
    """Bytes leave one after the other at the link's rate and arrive in order, a delay later.

    Args:
        bits_per_s: the rate; 0 takes no time.
        delay_s: until what has left arrives.
        jitter_s: added, uniform from 0 to this.
        timeline: whose stalls hold the bytes up; ``None`` has none.
        rng: of the jitter.
        traffic: where bytes are counted; shared by all connections over one link.
    """

    def __init__(
        self,
        bits_per_s: float,
        delay_s: float,
        jitter_s: float,
        timeline: Timeline | None,
        rng: np.random.Generator,
        traffic: Traffic,
    ) -> None:
        self._bits_per_s = bits_per_s
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self._timeline = timeline
        self._rng = rng
        self._traffic = traffic
        self._under_way: deque[_Passage] = deque()
        self._arrival_s = 0.0
        self.free_s = 0.0

    def send(self, now_s: float, size: int) -> float:
        """Send ``size`` bytes; returns when the last of them arrives."""
        start_s = max(now_s, self.free_s)
        busy_s = size * 8 / self._bits_per_s if self._bits_per_s else 0.0
        stalled = 0
        self.free_s = start_s + busy_s
        if self._timeline is not None:
            self.free_s, stalled = self._timeline.finish(start_s, busy_s)
        self._traffic.spent += size + stalled * min(size, SEGMENT_BYTES)
        while self._under_way and self._under_way[0].end_s <= now_s:
            self._under_way.popleft()
        self._under_way.append(_Passage(start_s, self.free_s, size))
        late_s = self._jitter_s * self._rng.random() if self._jitter_s else 0.0
        self._arrival_s = max(self._arrival_s, self.free_s + self._delay_s + late_s)
        return self._arrival_s

    def arrived(self, size: int) -> None:
        """Count bytes that came out at the other end."""
        self._traffic.delivered += size

    def cut(self, now_s: float) -> None:
        """Take back the cost of what had not left yet; nothing that is under way arrives."""
        for passage in self._under_way:
            lasting_s = passage.end_s - passage.start_s
            if passage.end_s > now_s:
                left = max(0.0, now_s - passage.start_s) / lasting_s if lasting_s else 0.0
                self._traffic.spent -= passage.size - int(passage.size * left)
        self._under_way.clear()
        self.free_s = self._arrival_s = now_s
