"""The scheduler's knobs, one by one and together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.aggregator.scheduler import Selection, backoff_s, selection
from broker.aggregator.settings import RoundSettings
from broker.protocol.cohort import MAX_COHORT
from broker.protocol.messages import PlanKind

TRAIN, SUMS = PlanKind.TRAIN, PlanKind.STATISTICS


@pytest.mark.parametrize(
    ("rounds", "kind", "ready", "carried", "expected"),
    [
        (RoundSettings(), TRAIN, 1, 0, None),
        (RoundSettings(), TRAIN, 7, 0, Selection(7, 7, 2)),
        (RoundSettings(cohort=5), TRAIN, 7, 0, Selection(5, 5, 2)),
        (RoundSettings(cohort=5), TRAIN, 3, 0, Selection(3, 3, 2)),
        (RoundSettings(cohort=10, over_selection=0.3), TRAIN, 99, 0, Selection(13, 10, 2)),
        (RoundSettings(cohort=10, over_selection=0.3), TRAIN, 11, 0, Selection(11, 10, 2)),
        # What an abandoned round has left counts for the goal.
        (RoundSettings(), TRAIN, 1, 1, Selection(1, 2, 2)),
        (RoundSettings(cohort=5), TRAIN, 9, 3, Selection(5, 5, 2)),
        (RoundSettings(), TRAIN, 0, 4, None),
        # A buffer is filled by few gateways that go on, or by many.
        (RoundSettings(buffer=8), TRAIN, 3, 0, Selection(3, 8, 2)),
        (RoundSettings(buffer=8), TRAIN, 50, 0, Selection(50, 8, 2)),
        (RoundSettings(buffer=8), SUMS, 3, 0, Selection(3, 3, 2)),
        (RoundSettings(), TRAIN, 99_999, 0, Selection(MAX_COHORT, MAX_COHORT, 2)),
    ],
)
def test_whom_a_round_asks_and_what_it_commits_with(
    rounds: RoundSettings,
    kind: PlanKind,
    ready: int,
    carried: int,
    expected: Selection | None,
) -> None:
    assert selection(rounds, kind, ready, carried) == expected


@given(
    st.integers(0, 200), st.floats(0, 3), st.integers(0, 50), st.integers(0, 300), st.integers(0, 9)
)
def test_a_round_can_always_reach_its_goal_and_its_minimum(
    cohort: int, over: float, buffer: int, ready: int, carried: int
) -> None:
    rounds = RoundSettings(
        cohort=cohort,
        over_selection=over if cohort else 0.0,
        buffer=buffer,
        min_reports=1,
        min_gateways=1,
    )
    found = selection(rounds, TRAIN, ready, carried)
    if found is not None:
        assert 1 <= found.minimum <= found.goal
        assert 1 <= found.ask <= ready
        assert buffer or found.goal <= found.ask + carried


def test_the_wait_after_abandoned_rounds_doubles_to_an_hour() -> None:
    assert [backoff_s(n, 5.0) for n in range(4)] == [0.0, 5.0, 10.0, 20.0]
    assert backoff_s(100, 5.0) == 3600.0
    assert backoff_s(9, 0.0) == 0.0
