"""A round's states: every transition, allowed or not."""

from __future__ import annotations

import pytest

from broker.aggregator.errors import RoundError
from broker.aggregator.rounds import Round, RoundState
from broker.protocol.messages import Plan, PlanKind, TrainingPlan

PLAN = Plan(
    1,
    "ward.1",
    PlanKind.STATISTICS,
    b"a" * 32,
    0,
    None,
    ("g1", "g2", "g3"),
    "sums",
    TrainingPlan(1, 0.1, 0.9, 0.0),
    1,
    1000.0,
    0,
)


@pytest.mark.parametrize("before", RoundState)
@pytest.mark.parametrize("after", RoundState)
def test_only_an_open_round_ends(before: RoundState, after: RoundState) -> None:
    round_ = Round(4, PLAN, 2, before)
    if before is RoundState.OPEN and after is not RoundState.OPEN:
        assert round_.to(after) == Round(4, PLAN, 2, after)
    else:
        with pytest.raises(RoundError, match=f"round 4 cannot go from {before} to {after}"):
            round_.to(after)


@pytest.mark.parametrize(
    ("reported", "now", "verdict"),
    [
        (0, 0.0, RoundState.OPEN),
        (2, 999.9, RoundState.OPEN),
        (3, 0.0, RoundState.COMMITTED),
        (3, 2000.0, RoundState.COMMITTED),
        (2, 1000.0, RoundState.COMMITTED),
        (1, 1000.0, RoundState.ABANDONED),
        (0, 1e9, RoundState.ABANDONED),
    ],
)
def test_a_round_ends_when_all_reported_or_at_its_deadline(
    reported: int, now: float, verdict: RoundState
) -> None:
    assert Round(4, PLAN, 2, RoundState.OPEN).verdict(reported, now) is verdict
