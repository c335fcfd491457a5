"""Rare wake-ups are not delayed, frequent ones are gathered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.wake_budget import WakeBudget

NAP_S = 0.02


def test_sensors_that_send_less_than_the_rate_never_wait() -> None:
    budget = WakeBudget(NAP_S, 5)
    # Four sensors, ten frames a second each, a millisecond apart.
    times = sorted(0.1 * frame + 0.001 * sensor for frame in range(200) for sensor in range(4))
    assert [budget.nap_s(now) for now in times] == [0.0] * 800


def test_a_flood_is_gathered_after_the_burst() -> None:
    budget = WakeBudget(NAP_S, 5)
    now, naps = 0.0, []
    for _ in range(100):
        naps.append(budget.nap_s(now))
        now += naps[-1] + 1e-4
    assert naps[:4] == [0.0] * 4
    assert set(naps[5:]) == {NAP_S}


@given(st.lists(st.floats(0, 0.5), min_size=2, max_size=200), st.integers(1, 20))
def test_wake_ups_are_bounded_by_the_rate_and_the_burst(waits: list[float], burst: int) -> None:
    budget, now = WakeBudget(NAP_S, burst), 0.0
    for wait in waits:
        now += wait + budget.nap_s(now)
    assert len(waits) <= burst + now / NAP_S + 1


def test_a_clock_that_stands_still_earns_nothing() -> None:
    budget = WakeBudget(NAP_S, 2)
    assert [budget.nap_s(1.0) for _ in range(3)] == [0.0, NAP_S, NAP_S]
    assert budget.nap_s(0.5) == NAP_S
    assert budget.nap_s(10.0) == pytest.approx(0.0)
