"""How long to wait before the next attempt."""

from __future__ import annotations

import numpy as np


class Backoff:
    """Full jitter over an exponential that is capped: uniform in [floor, min(cap, floor x 2**k)].

    The jitter keeps the sensors of one hub from coming back in step after it was unplugged.

    Args:
        rng: where the jitter comes from.
        floor_s: the shortest wait, and the first ceiling but one.
        cap_s: no wait is longer.
    """

    def __init__(
        self, rng: np.random.Generator, *, floor_s: float = 0.25, cap_s: float = 30.0
    ) -> None:
        if not 0 < floor_s <= cap_s:
            raise ValueError(f"floor {floor_s} s and cap {cap_s} s")
        self._rng = rng
        self._floor_s = floor_s
        self._cap_s = cap_s
        self._ceiling_s = floor_s

    def next_s(self) -> float:
        """The next wait, in seconds."""
        self._ceiling_s = min(self._cap_s, self._ceiling_s * 2)
        return float(self._rng.uniform(self._floor_s, self._ceiling_s))

    def reset(self) -> None:
        """An attempt succeeded: the next wait is short again."""
        self._ceiling_s = self._floor_s
