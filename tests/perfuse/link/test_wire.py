"""A wire: rate, delay, order, and what a cut costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfuse.link.profiles import PROFILES
from perfuse.link.timeline import Timeline
from perfuse.link.wire import SEGMENT_BYTES, Traffic, Wire


def wire(bits_per_s=8000.0, delay_s=0.5, jitter_s=0.0, timeline=None, seed=1):
    traffic = Traffic()
    rng = np.random.default_rng(seed)
    return Wire(bits_per_s, delay_s, jitter_s, timeline, rng, traffic), traffic


def test_bytes_take_their_size_over_the_rate_and_the_delay():
    line, traffic = wire()
    assert line.send(10.0, 1000) == pytest.approx(11.5)
    # The second waits for the first to have left, not for it to have arrived.
    assert line.send(10.0, 500) == pytest.approx(12.0)
    assert line.send(20.0, 1000) == pytest.approx(21.5)
    assert (traffic.spent, traffic.delivered) == (2500, 0)


def test_a_rate_of_zero_takes_no_time():
    line, _ = wire(bits_per_s=0, delay_s=0)
    assert line.send(3.0, 10**9) == 3.0


@given(sizes=st.lists(st.integers(0, 100_000), min_size=2, max_size=20), seed=st.integers(0, 99))
def test_jitter_never_lets_bytes_overtake_each_other(sizes, seed):
    line, _ = wire(1e6, 0.1, 5.0, seed=seed)
    arrivals = [line.send(0.01 * i, size) for i, size in enumerate(sizes)]
    assert arrivals == sorted(arrivals)


def test_a_cut_costs_what_had_left_and_no_more():
    line, traffic = wire()
    line.send(0.0, 1000)  # leaves until 1.0
    line.send(0.0, 1000)  # half of it has left at 1.5
    line.send(0.0, 1000)  # nothing of it
    line.cut(1.5)
    assert traffic.spent == 1500
    assert line.send(2.0, 1000) == pytest.approx(3.5)


def test_a_stall_holds_bytes_up_and_costs_a_segment():
    timeline = Timeline(PROFILES["2g"], np.random.default_rng(3))
    stall = next(timeline.events(1e6))
    line, traffic = wire(timeline=timeline)
    arrival = line.send(stall.at_s - 0.5, 2000)
    assert arrival == pytest.approx(stall.at_s - 0.5 + 2 + stall.duration_s + 0.5)
    assert traffic.spent == 2000 + SEGMENT_BYTES
