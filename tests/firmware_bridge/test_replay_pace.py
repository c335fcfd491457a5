import math

import pytest

from firmware_bridge.replay_pace import ReplayPace


def test_speed_divides_the_recorded_time():
    pace = ReplayPace(4.0, now_s=100)
    assert pace.delay_s(8_000_000_000, now_s=100) == 2
    assert pace.delay_s(8_000_000_000, now_s=101.5) == 0.5
    assert pace.delay_s(8_000_000_000, now_s=103) == 0


def test_infinite_speed_never_waits():
    assert ReplayPace(math.inf, now_s=0).delay_s(10**18, now_s=0) == 0


def test_a_halt_delays_what_follows():
    pace = ReplayPace(1.0, now_s=0)
    pace.hold(3)
    assert pace.delay_s(10**9, now_s=0) == 4


def test_a_replay_goes_forward():
    with pytest.raises(ValueError, match="speed"):
        ReplayPace(0.0, now_s=0)
