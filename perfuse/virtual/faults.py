"""What a network may do to messages beyond losing its link: late, twice, out of order."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Faults(Protocol):
    """Asked once for every message and every client that gets it."""

    def copies(self, client: str, topic: str) -> tuple[float, ...]:
        """Return by how many seconds each copy is late; ``(0.0,)`` is a network without faults.

        Messages of one topic to one client never overtake each other, those of different topics
        do. Two numbers are a duplicate. Never empty: a broker of QoS 1 loses only what a crash
        takes (see :meth:`perfuse.virtual.broker.VirtualBroker.crash`).
        """


class NoFaults:
    """Every message once, at once."""

    def copies(self, client: str, topic: str) -> tuple[float, ...]:
        """See :class:`Faults`."""
        del client, topic
        return (0.0,)


class RandomFaults:
    """Late and duplicate messages by chance.

    Args:
        rng: decides.
        late: probability that a copy is late.
        late_s: by at most this much, uniform.
        duplicate: probability of a second copy.
    """

    def __init__(
        self, rng: np.random.Generator, *, late: float, late_s: float, duplicate: float
    ) -> None:
        self._rng = rng
        self._late = late
        self._late_s = late_s
        self._duplicate = duplicate

    def copies(self, client: str, topic: str) -> tuple[float, ...]:
        """See :class:`Faults`."""
        del client, topic
        count = 2 if self._rng.random() < self._duplicate else 1
        return tuple(self._lateness() for _ in range(count))

    def _lateness(self) -> float:
        return self._late_s * self._rng.random() if self._rng.random() < self._late else 0.0
