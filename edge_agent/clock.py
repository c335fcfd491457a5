"""How far this gateway's clock is from the aggregator's, as the aggregator says. Sans-I/O.

A gateway without a battery for its clock begins in 1970, or wherever it stopped, until something
sets it. Plans carry deadlines, so both sides must mean the same time by them.
"""

from __future__ import annotations

from broker.protocol.messages import ClockNotice

# An answer to what was said longer ago tells little of now: it may have waited at the broker.
_LIVE_S = 60.0


class ClockOffset:
    """Turns this gateway's seconds into the aggregator's.

    Attributes:
        offset_s: what is added; 0 until the aggregator has said that the clock is off.
    """

    def __init__(self) -> None:
        self.offset_s = 0.0
        self._said: tuple[float, float] = (0.0, 0.0)

    def shared(self, now: float) -> float:
        """Return ``now`` as the aggregator counts it."""
        return now + self.offset_s

    def say(self, now: float) -> float:
        """Return what to write into a presence, and remember that it was said."""
        self._said = (now, max(self.shared(now), 0.0))
        return self._said[1]

    def take(self, notice: ClockNotice, now: float) -> bool:
        """Learn from the answer to what was said last; returns whether it was one."""
        at, said = self._said
        if notice.echo_unix_s != said or not 0 <= now - at <= _LIVE_S:
            return False
        self.offset_s = notice.unix_s - now
        return True
