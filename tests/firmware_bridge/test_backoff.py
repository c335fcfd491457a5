import numpy as np
import pytest

from firmware_bridge.backoff import Backoff


def test_waits_grow_within_their_bounds_and_start_over():
    backoff = Backoff(np.random.default_rng(1), floor_s=1, cap_s=10)
    for _ in range(2):
        waits = [backoff.next_s() for _ in range(200)]
        assert 1 <= waits[0] <= 2
        assert 1 <= waits[1] <= 4
        assert min(waits) >= 1
        assert 9 < max(waits) <= 10
        backoff.reset()


def test_the_jitter_is_uniform_at_the_cap():
    backoff = Backoff(np.random.default_rng(2), floor_s=1, cap_s=3)
    waits = [backoff.next_s() for _ in range(5000)]
    assert np.mean(waits) == pytest.approx(2, abs=0.05)
    assert np.std(waits) == pytest.approx(2 / 12**0.5, abs=0.05)


def test_two_sensors_do_not_come_back_in_step():
    first, second = (Backoff(np.random.default_rng(seed)) for seed in (1, 2))
    assert [first.next_s() for _ in range(5)] != [second.next_s() for _ in range(5)]


@pytest.mark.parametrize(("floor_s", "cap_s"), [(0, 1), (2, 1), (-1, 1)])
def test_impossible_bounds_are_refused(floor_s, cap_s):
    with pytest.raises(ValueError, match="floor"):
        Backoff(np.random.default_rng(), floor_s=floor_s, cap_s=cap_s)
