"""The injector does what it says, the same for the same seed, and leaves its input alone."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.simulate.signal_faults import Fault, FaultSizes, inject

SIZES = FaultSizes(
    beyond=(400, 500), scale=5, drift=(3, 4), motion=(1, 2), spike=(6, 8)
)  # fmt: skip


def window() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((100, 2)).astype(np.float32)


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_changes_a_copy_and_is_drawn_with_the_seed(fault):
    before = window()
    one, again, other = (
        inject(fault, before, (SIZES, SIZES), np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert one is not None
    assert np.array_equal(before, window())
    assert not np.array_equal(one, before, equal_nan=True)
    assert np.array_equal(one, again, equal_nan=True)
    assert not np.array_equal(one, other, equal_nan=True)
    assert one.dtype == np.float32


def test_a_channel_without_a_fault_does_not_get_it():
    plain = FaultSizes(beyond=(400, 500))
    rng = np.random.default_rng(2)
    assert inject(Fault.SPIKE, window(), (plain, plain), rng) is None
    for _ in range(20):
        spiked = inject(Fault.SPIKE, window(), (plain, SIZES), rng)
        assert np.array_equal(spiked[:, 0], window()[:, 0])
        assert (spiked[:, 1] != window()[:, 1]).sum() == 1


def test_each_fault_is_what_it_is_called():
    rng = np.random.default_rng(5)
    made = {fault: inject(fault, window(), (SIZES, SIZES), rng) for fault in Fault}
    gap = np.isnan(made[Fault.GAP])
    assert 0.12 <= gap.mean() <= 0.51
    assert (gap[:, 0] == gap[:, 1]).all()
    assert 1 <= (made[Fault.OUT_OF_RANGE] >= 400).sum() <= 3
    assert 0.2 <= (np.abs(made[Fault.CLIPPING]) == 5).mean(axis=0).max() <= 0.51
    flat = (np.diff(made[Fault.FLATLINE], axis=0) == 0).sum(axis=0)
    assert 39 <= flat.max() <= 99
    moved = made[Fault.DRIFT] - window()
    assert 3 <= np.abs(moved[-1]).max() <= 4
