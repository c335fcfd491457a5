"""How often a thread may wake up: at once while that is rare, else a few times a second. Pure."""

from __future__ import annotations


class WakeBudget:
    """Wake-ups that come seldom cost nothing to wait for; those that come often are gathered.

    A token bucket: a nap is due only when more have been taken than a steady rate allows, so that
    a frame of a sensor that sends ten a second is read when it comes.

    Args:
        interval_s: between two wake-ups, where they are gathered.
        burst: wake-ups without a nap after a while of few.
    """

    def __init__(self, interval_s: float, burst: int) -> None:
        self._interval_s = interval_s
        self._most = float(burst)
        self._left = float(burst)
        self._last_s: float | None = None

    def nap_s(self, now_s: float) -> float:
        """Take a wake-up at a steady clock's time; returns how long to rest before the next."""
        if self._last_s is not None:
            earned = max(0.0, now_s - self._last_s) / self._interval_s
            self._left = min(self._most, self._left + earned)
        self._last_s = now_s
        self._left = max(0.0, self._left - 1.0)
        return 0.0 if self._left >= 1.0 else self._interval_s
