"""A round's states, and every transition between them.

OPEN -> COMMITTED
  `> ABANDONED
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from broker.aggregator.errors import RoundError
from broker.protocol.messages import Plan


class RoundState(StrEnum):
    """Where a round stands."""

    OPEN = "open"
    COMMITTED = "committed"
    ABANDONED = "abandoned"


_NEXT = {
    RoundState.OPEN: frozenset({RoundState.COMMITTED, RoundState.ABANDONED}),
    RoundState.COMMITTED: frozenset(),
    RoundState.ABANDONED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Round:
    """One round as the log holds it.

    Attributes:
        number: grows by one with each round, abandoned ones too.
        plan: what was asked.
        min_reports: fewer updates than this at the deadline abandon the round.
        state: where it stands.
        goal: updates with which it commits before its deadline; 0 is the whole cohort.
    """

    number: int
    plan: Plan
    min_reports: int
    state: RoundState
    goal: int = 0

    def to(self, state: RoundState) -> Round:
        """Return the round in its next state.

        Raises:
            RoundError: there is no such transition.
        """
        if state not in _NEXT[self.state]:
            raise RoundError(f"round {self.number} cannot go from {self.state} to {state}")
        return replace(self, state=state)

    def verdict(self, reported: int, now: float) -> RoundState:
        """Say where the round should stand, with ``reported`` updates at Unix time ``now``."""
        if reported >= (self.goal or len(self.plan.cohort)):
            return RoundState.COMMITTED
        if now < self.plan.deadline_unix_s:
            return RoundState.OPEN
        return RoundState.COMMITTED if reported >= self.min_reports else RoundState.ABANDONED
