"""Faults to order: what a bad cable and a bad sensor do to frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from firmware_bridge.recording_frames import TimedFrame


@dataclass(slots=True)
class Faults:
    """Corrupts, drops and duplicates frames with given probabilities, and says how many.

    Attributes:
        rng: decides which.
        corrupt: probability that one byte of a frame, its delimiter included, becomes another.
        drop: probability that a frame is not sent.
        duplicate: probability that a frame is sent twice.
        corrupted: frames that were corrupted so far.
        dropped: frames that were dropped so far.
        duplicated: frames that were duplicated so far.
    """

    rng: np.random.Generator
    corrupt: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    corrupted: int = 0
    dropped: int = 0
    duplicated: int = 0

    def apply(self, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """The frames as they arrive."""
        for due_ns, frame in frames:
            if self.rng.random() < self.drop:
                self.dropped += 1
                continue
            copies = 1
            if self.rng.random() < self.duplicate:
                self.duplicated += 1
                copies = 2
            for _ in range(copies):
                yield due_ns, self._maybe_corrupt(frame)

    def _maybe_corrupt(self, frame: bytes) -> bytes:
        if self.rng.random() >= self.corrupt:
            return frame
        self.corrupted += 1
        damaged = bytearray(frame)
        damaged[self.rng.integers(len(damaged))] ^= int(self.rng.integers(1, 256))
        return bytes(damaged)
