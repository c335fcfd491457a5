"""How simulated rounds end, and what came in while they were open. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from broker.aggregator.events import Event, RoundAbandoned, RoundCommitted
from broker.aggregator.events import UpdateAccepted as Accepted
from broker.aggregator.events import UpdateRefused as Refused


class SimulationError(Exception):
    """The federation cannot go on; the reason says why."""


@dataclass(frozen=True, slots=True)
class RoundEnd:
    """How a round ended, and the MQTT payload bytes that all gateways sent and received in it.

    Attributes:
        late: updates of earlier versions that came in while it was open, and count discounted.
        partial: updates of a part of the steps that the plan asked for.
        refused: updates that were answered with stale or rejected meanwhile.
    """

    version: int
    committed: bool
    cohort: int
    reported: int
    late: int
    partial: int
    refused: int
    uplink_bytes: int
    downlink_bytes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A round's end as the aggregator said it, and what it had said before.

    Attributes:
        at_s: when.
        version: that is the newest now.
        late, partial, refused: see :class:`RoundEnd`.
    """

    event: RoundCommitted | RoundAbandoned
    at_s: float
    version: int
    late: int
    partial: int
    refused: int


class RoundEnds:
    """Collects rounds' ends from what an aggregator says."""

    def __init__(self) -> None:
        self._ended: list[Ended] = []
        self._late = self._partial = self._refused = 0

    def __len__(self) -> int:
        return len(self._ended)

    def happened(self, event: Event, at_s: float, latest: int | None) -> None:
        """Take a word of the aggregator, whose newest version is ``latest``."""
        if isinstance(event, Accepted):
            self._late += event.staleness > 0
            self._partial += event.share < 1
        elif isinstance(event, Refused):
            self._refused += 1
        elif isinstance(event, RoundCommitted | RoundAbandoned):
            counted = self._late, self._partial, self._refused
            self._late = self._partial = self._refused = 0
            self._ended.append(Ended(event, at_s, latest or 0, *counted))

    def take(self) -> list[Ended]:
        """Return what has ended since the last time."""
        ended, self._ended = self._ended, []
        return ended
