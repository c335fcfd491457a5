"""Readings onto the model's grid, and windows cut from it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.windows import Window, Windower
from firmware_bridge.sample import Channel, Sample

CHANNELS = (Channel("x", "g"), Channel("y", "g"))
MS = 1_000_000
STEP = 20 * MS  # 50 Hz


def sample(times_ns: list[int], rows: list[list[float]]) -> list[Sample]:
    """One sample a reading."""
    return [
        Sample("watch", "imu", CHANNELS, t, 0, np.array([row], np.float32))
        for t, row in zip(times_ns, rows, strict=True)
    ]


def even(start_ns: int, count: int, interval_ns: int = STEP, slope: float = 1.0) -> Sample:
    """Readings whose first channel is their time in intervals of the model, times ``slope``."""
    times = start_ns + np.arange(count) * interval_ns
    values = np.stack([slope * times / STEP, np.ones(count)], axis=1).astype(np.float32)
    return Sample("watch", "imu", CHANNELS, start_ns, interval_ns, values)


def cut(windower: Windower, samples: list[Sample]) -> list[Window]:
    return [window for found in samples for window in windower.add(found)]


@pytest.mark.parametrize(("length", "hop"), [(10, 10), (10, 5), (10, 1), (10, 7), (10, 13), (4, 9)])
def test_windows_begin_every_hop(length: int, hop: int) -> None:
    windower = Windower(50, length, hop)
    windows = windower.add(even(1000 * STEP, 60))
    starts = [1000 + hop * k for k in range((60 - length) // hop + 1)]
    assert [window.start_ns for window in windows] == [start * STEP for start in starts]
    for window, start in zip(windows, starts, strict=True):
        assert window.end_ns - window.start_ns == length * STEP
        assert window.values[:, 0].tolist() == list(range(start, start + length))
        assert window.values.shape == (length, 2)
        assert (window.values.dtype, window.filled, window.sensor) == (np.float32, 0, "watch")
    assert windower.counters.windows == len(windows)
    assert windower.counters.filled == windower.counters.gaps == windower.counters.dropped == 0


@given(st.data())
def test_how_readings_are_cut_into_samples_does_not_show(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    count = 120
    # Jitter, short and long gaps, absent values and a clock that steps back.
    kinds = rng.choice(
        [STEP, STEP + 3 * MS, 3 * STEP, 12 * STEP, -4 * STEP, -30 * STEP],
        count,
        p=[0.6, 0.3, 0.05, 0.02, 0.02, 0.01],
    )
    times = (10**15 + np.cumsum(kinds)).tolist()
    rows = rng.normal(size=(count, 2)).astype(np.float32)
    rows[rng.random(count) < 0.03] = np.nan
    singles = [
        Sample("watch", "imu", CHANNELS, t, 0, row[None])
        for t, row in zip(times, rows, strict=True)
    ]
    runs: list[Sample] = []
    at = 0
    while at < count:
        size = data.draw(st.integers(1, 6))
        gaps = np.diff(times[at : at + size])
        same = 1 + sum(1 for _ in itertools.takewhile(lambda g: g == STEP, gaps))
        runs.append(Sample("watch", "imu", CHANNELS, times[at], STEP, rows[at : at + same]))
        at += same
    first, second = Windower(50, 10, 5), Windower(50, 10, 5)
    for a, b in zip(cut(first, singles), cut(second, runs), strict=True):
        assert (a.start_ns, a.end_ns, a.filled) == (b.start_ns, b.end_ns, b.filled)
        assert np.array_equal(a.values, b.values)
        assert np.isfinite(a.values).all()
    assert first.counters == second.counters


@given(st.integers(0, 2**32), st.floats(0.9, 1.1))
def test_the_grid_is_numpys_interpolation(seed: int, drift: float) -> None:
    """A sensor whose clock runs fast or slow, and jitters, still fits the model's rate."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.8, 1.2, 100) * STEP * drift).astype(np.int64)
    rows = rng.normal(size=(100, 2)).astype(np.float32)
    samples = sample(times.tolist(), rows.tolist())
    windows = cut(Windower(50, 8, 8), samples)
    grid = np.arange(times[0], times[-1] + 1, STEP)
    expected = np.stack([np.interp(grid, times, rows[:, c]) for c in range(2)], axis=1)
    found = np.concatenate([window.values for window in windows])
    assert len(found) == len(grid) // 8 * 8
    assert np.allclose(found, expected[: len(found)], atol=1e-4)


@pytest.mark.parametrize("missing", [1, 3, 5])
def test_a_short_gap_is_filled_and_said(missing: int) -> None:
    windower = Windower(50, 20, 20, max_gap=5)
    windows = cut(windower, [even(0, 8), even((8 + missing) * STEP, 20)])
    assert windows[0].values[:, 0].tolist() == list(range(20))
    assert windows[0].filled == missing / 20
    assert windower.counters.filled == missing
    assert windower.counters.gaps == 0


def test_no_window_spans_a_long_gap() -> None:
    windower = Windower(50, 10, 10, max_gap=5)
    windows = cut(windower, [even(0, 16), even(22 * STEP, 25)])
    assert [window.start_ns // STEP for window in windows] == [0, 22, 32]
    assert windower.counters.gaps == 1
    assert windower.counters.filled == 0


def test_a_new_grid_begins_with_the_first_reading_after_a_gap() -> None:
    windows = cut(Windower(50, 10, 10), [even(0, 15), even(1000 * STEP + 7 * MS, 10)])
    assert windows[1].start_ns == 1000 * STEP + 7 * MS


def test_without_room_for_gaps_a_late_reading_still_fits() -> None:
    windower = Windower(50, 4, 4, max_gap=0)
    times = [0, STEP, 2 * STEP + 9 * MS, 3 * STEP]
    assert len(cut(windower, sample(times, [[0, 0]] * 4))) == 1
    assert windower.counters.gaps == 0


def test_readings_that_step_back_a_little_are_dropped() -> None:
    windower = Windower(50, 6, 6)
    rows = [[0.0, 0], [1, 0], [9, 9], [9, 9], [2, 0], [3, 0], [4, 0], [5, 0]]
    times = [0, STEP, STEP, 0, 2 * STEP, 3 * STEP, 4 * STEP, 5 * STEP]
    (window,) = cut(windower, sample(times, rows))
    assert window.values[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert windower.counters.dropped == 2


def test_a_clock_that_was_set_back_begins_a_new_grid() -> None:
    windower = Windower(50, 10, 10)
    windows = cut(windower, [even(5000 * STEP, 15), even(100 * STEP, 10)])
    assert [window.start_ns // STEP for window in windows] == [5000, 100]
    assert windows[1].values[:, 0].tolist() == list(range(100, 110))
    assert (windower.counters.gaps, windower.counters.dropped) == (1, 0)


def test_a_clock_that_was_set_back_on_an_absent_reading_leaves_no_nan() -> None:
    windower = Windower(50, 10, 10)
    behind = even(100 * STEP, 11)
    behind.values[0] = np.nan
    windows = cut(windower, [even(5000 * STEP, 15), behind])
    assert [window.start_ns // STEP for window in windows] == [5000, 101]
    assert np.isfinite(windows[1].values).all()


@pytest.mark.parametrize("absent", [np.nan, np.inf, -np.inf])
def test_an_absent_reading_is_a_gap(absent: float) -> None:
    windower = Windower(50, 10, 10)
    readings = even(0, 10)
    readings.values[4, 1] = absent
    (window,) = windower.add(readings)
    assert window.values[:, 0].tolist() == list(range(10))
    assert window.filled == 0.1
    assert windower.counters.dropped == 1


def test_a_wild_reading_spoils_only_itself() -> None:
    readings = even(0, 10)
    readings.values[4, 0] = 1e30
    (window,) = Windower(50, 10, 10).add(readings)
    assert np.delete(window.values[:, 0], 4).tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_a_slower_sensor_is_interpolated_without_being_filled() -> None:
    windower = Windower(50, 20, 20)
    (window, *_) = windower.add(even(0, 30, STEP * 5 // 4))
    assert np.allclose(window.values[:, 0], range(20), atol=1e-5)
    assert window.filled == 0


def test_readings_without_an_interval_are_one() -> None:
    windower = Windower(50, 5, 5)
    windower.add(Sample("watch", "imu", CHANNELS, 0, 0, np.zeros((3, 2), np.float32)))
    assert windower.counters.dropped == 2
