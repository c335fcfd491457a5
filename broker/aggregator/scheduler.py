"""One scheduler for synchronous, semi-synchronous and asynchronous rounds. Pure.

Its knobs are those of :class:`~broker.aggregator.settings.RoundSettings`:

- a *cohort* and no buffer: synchronous. ``over_selection`` asks more gateways than the goal and
  commits when the goal has reported (Bonawitz et al. 2019).
- a *buffer* of K updates, of this plan or of earlier ones within the *staleness cap*: asynchronous
  (FedBuff, Nguyen et al. 2022). A gateway that has reported gets a further plan at once.
- a cohort, a cap and a deadline: semi-synchronous. Whoever misses the deadline counts in the next
  round, discounted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from broker.aggregator.settings import RoundSettings
from broker.protocol.cohort import MAX_COHORT
from broker.protocol.messages import PlanKind

_LAST_BACKOFF_S = 3600.0


@dataclass(frozen=True, slots=True)
class Selection:
    """How many gateways a round asks, and how many updates it commits with.

    Attributes:
        ask: gateways to draw.
        goal: updates at which the round commits.
        minimum: updates without which it is abandoned at its deadline.
    """

    ask: int
    goal: int
    minimum: int


def selection(rounds: RoundSettings, kind: PlanKind, ready: int, carried: int) -> Selection | None:
    """Return whom the next round asks; ``None`` while there are too few.

    Args:
        rounds: the knobs.
        kind: of the round.
        ready: gateways that can be asked.
        carried: updates that an abandoned round has left to this one; their gateways are not
            among those that are ready.
    """
    if not ready or ready + carried < rounds.min_gateways:
        return None
    wanted = rounds.cohort or MAX_COHORT
    ask = min(math.ceil(wanted * (1 + rounds.over_selection)), MAX_COHORT, ready)
    goal = min(wanted, ask + carried)
    if rounds.buffer and kind is PlanKind.TRAIN:
        goal = rounds.buffer
    return Selection(ask, goal, min(rounds.min_reports, goal))


def backoff_s(abandoned: int, first_s: float) -> float:
    """Return how long to wait after so many abandoned rounds in a row: twice as long each time."""
    if not abandoned:
        return 0.0
    return min(first_s * 2.0 ** min(abandoned - 1, 30), _LAST_BACKOFF_S)
