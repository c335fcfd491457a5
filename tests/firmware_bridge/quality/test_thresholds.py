"""Thresholds follow from unit, rate and length, and from what the configuration knows better."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.quality.thresholds import ChannelOverride, thresholds_of
from firmware_bridge.sample import Channel


def test_time_limits_scale_with_the_rate():
    slow, fast = (thresholds_of([Channel("ax", "[g]")], rate, 100) for rate in (20.0, 100.0))
    assert (slow.still[0], fast.still[0]) == (20, 100)


def test_a_limb_turns_less_in_a_longer_window_on_average():
    short, long = (thresholds_of([Channel("gx", "deg/s")], 50.0, n) for n in (100, 1000))
    assert (short.sustained[0], long.sustained[0]) == (155.0, 33.5)


def test_rails_are_either_side_of_zero_where_there_is_one():
    limits = thresholds_of([Channel("ax", "[g]"), Channel("glucose", "mg/dL")], 1.0, 10)
    assert {2.0, -2.0, 16.0, -16.0} <= set(limits.rails[:, 0].tolist())
    assert sorted(limits.rails[~np.isnan(limits.rails[:, 1]), 1].tolist()) == [40, 400, 500]


def test_the_configuration_knows_better():
    better = ChannelOverride("x", low=0.0, high=63.0, rails=(0.0, 63.0), still_s=2.0)
    limits = thresholds_of([Channel("x", "{count}"), Channel("y", "{count}")], 32.0, 96, [better])
    assert limits.low.tolist() == [0, -np.inf]
    assert limits.high.tolist() == [63, np.inf]
    assert limits.rails[:, 0].tolist() == [0, 63]
    assert np.isnan(limits.rails[:, 1]).all()
    assert limits.still.tolist() == [64, 32]


def test_what_is_left_out_stays_as_in_the_table():
    limits = thresholds_of([Channel("hr", "/min")], 1.0, 60, [ChannelOverride("hr", high=220.0)])
    assert (limits.low[0], limits.high[0]) == (20, 220)
    assert limits.still[0] == pytest.approx(20)
