"""What an update is worth, and which plan it answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.aggregator import admission
from broker.aggregator.admission import Limits
from broker.protocol.cohort import Cohort
from broker.protocol.messages import (
    BlobReference,
    Mode,
    Plan,
    PlanKind,
    RejectReason,
    TierMode,
    TrainingPlan,
    UpdateId,
    UpdateOffer,
)

PLAN = Plan(
    epoch=1,
    plan="ward.1",
    kind=PlanKind.TRAIN,
    artifact=b"a" * 32,
    version=0,
    model=BlobReference(b"m" * 32, 1, 1),
    cohort=Cohort.of(("g1",)),
    codec="none",
    training=TrainingPlan(1, 0.1, 0.9, 0.0, modes=(TierMode("small", Mode.HEAD),)),
    min_examples=1,
    deadline_unix_s=1000.0,
    seed=0,
)
KNOWN = Limits(5, 1, {Mode.HEAD: 2})


def offer(mode: Mode = Mode.FULL, size: int = 8) -> UpdateOffer:
    update = UpdateId("ward.1", 0, "g1", 1)
    return UpdateOffer(update, "none", 4, 0.0, BlobReference(b"d" * 32, size, 256), mode=mode)


def code(plan: Plan, found: UpdateOffer, limits: Limits) -> RejectReason | None:
    refused = admission.refusal(plan, found, limits)
    return None if refused is None else refused.reason


def test_a_mode_that_was_asked_for_is_taken_up_to_its_size() -> None:
    assert code(PLAN, offer(), KNOWN) is None
    assert code(PLAN, offer(Mode.HEAD), KNOWN) is None
    assert code(PLAN, offer(Mode.HEAD, 100_000), KNOWN) is RejectReason.TOO_LARGE


def test_a_mode_that_was_not_asked_for_is_refused() -> None:
    assert code(PLAN, offer(Mode.SPARSE), KNOWN) is RejectReason.WRONG_MODE
    assert code(PLAN, offer(Mode.HEAD), Limits(5, 1)) is RejectReason.WRONG_MODE
    sums = replace(PLAN, kind=PlanKind.STATISTICS, model=None)
    assert code(sums, offer(Mode.HEAD), KNOWN) is RejectReason.WRONG_MODE


def test_sums_are_no_larger_than_the_channels_need() -> None:
    sums = replace(PLAN, kind=PlanKind.STATISTICS, model=None)
    assert code(sums, offer(size=24), KNOWN) is None
    assert code(sums, offer(size=25), KNOWN) is RejectReason.TOO_LARGE


@pytest.mark.parametrize(
    ("staleness", "power", "weight"), [(0, 0.5, 1.0), (3, 0.5, 0.5), (1, 1.0, 0.5), (9, 0.0, 1.0)]
)
def test_weight_falls_with_staleness(staleness: int, power: float, weight: float) -> None:
    assert admission.discount(staleness, power) == pytest.approx(weight)


@given(st.integers(1, 10**6))
def test_a_further_plans_id_names_its_family(number: int) -> None:
    assert admission.family(admission.further("ward.12", number)) == ("ward.12", number)


@pytest.mark.parametrize("plan", ["ward.1", "ward.1~", "ward.1~x", "ward.1~-2", "~"])
def test_any_other_id_is_its_own_family(plan: str) -> None:
    assert admission.family(plan) == (plan, 1)
