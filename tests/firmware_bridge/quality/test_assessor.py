"""What is wrong with a window is named, and where; what is well is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.quality import Assessor, ChannelOverride, Reason
from firmware_bridge.sample import Channel

HEART = (Channel("hr", "/min"), Channel("spo2", "%"))
IMU = (Channel("ax", "[g]"), Channel("wx", "deg/s"))
NOISE = np.random.default_rng(7)


def heart() -> np.ndarray:
    """A calm minute, each second."""
    t = np.arange(60)
    rate = 72 + 4 * np.sin(t / 7) + 0.2 * np.sin(t * 1.3)
    return np.stack([rate, 97 + np.sin(t / 11)], 1).astype(np.float32)


def imu(length: int = 200) -> np.ndarray:
    """Slow exercise at 50 Hz."""
    t = np.arange(length) / 50
    x = np.stack([np.sin(2 * t), 90 * np.sin(3 * t)], 1)
    return (x + 0.01 * np.random.default_rng(1).standard_normal(x.shape)).astype(np.float32)


def judged(values, channels=IMU, rate=50.0, **more):
    return Assessor(channels, rate, len(values), **more).assess(values)


def found(quality) -> set[tuple[str, Reason]]:
    return {(finding.channel, finding.reason) for finding in quality.findings}


def test_a_clean_window_has_no_reason_and_a_good_score():
    assert judged(imu()).clean
    assert judged(imu()).score > 0.5
    assert judged(heart(), HEART, 1.0).clean


def test_one_impossible_reading_is_out_of_range():
    x = heart()
    x[5, 0] = 700
    quality = judged(x, HEART, 1.0)
    assert ("hr", Reason.RANGE) in found(quality)
    assert quality.score < 0.5


def test_the_ends_of_the_range_are_within_it():
    x = heart()
    x[:, 1] = np.linspace(92, 100, 60)
    assert judged(x, HEART, 1.0).clean


def test_a_channel_that_stands_still_is_flat():
    x = imu()
    x[40:110, 1] = x[40, 1]
    assert found(judged(x)) == {("wx", Reason.FLATLINE)}


def test_a_heart_rate_in_whole_beats_may_stand_still_for_longer():
    x = heart()
    x[10:50, 0] = 72.37
    assert found(judged(x, HEART, 1.0)) == {("hr", Reason.FLATLINE)}
    x[:, 0] = 60.0  # a pacemaker
    x[50:, 0] = 61.0
    assert judged(x, HEART, 1.0).clean


def test_a_channel_at_its_full_scale_is_clipped():
    x = imu()
    x[:, 0] = np.clip(6 * x[:, 0], -4, 4)
    assert found(judged(x)) == {("ax", Reason.CLIPPING)}


def test_a_plateau_of_counts_is_clipped_where_the_way_there_is_steep():
    t = np.arange(96)
    wave = np.round(40 * np.sin(t / 8)[:, None]).astype(np.float32)
    channels = (Channel("x", "{count}"),)
    assert judged(wave, channels, 32.0).clean
    cut = np.clip(np.round(120 * np.sin(t / 8)), -50, 50)[:, None].astype(np.float32)
    assert found(judged(cut, channels, 32.0)) == {("x", Reason.CLIPPING)}


def test_too_many_absent_readings_are_a_gap_on_their_channel():
    x = imu()
    x[50:90, 0] = np.nan
    assert found(judged(x)) == {("ax", Reason.GAP)}


def test_a_few_absent_readings_are_bridged():
    x = imu()
    x[50:55] = np.nan
    assert judged(x).clean


def test_a_channel_without_a_single_reading_is_a_gap():
    x = imu()
    x[:, 1] = np.nan
    assert ("wx", Reason.GAP) in found(judged(x))


@pytest.mark.parametrize(("filled", "clean"), [(0.1, True), (0.11, False)])
def test_readings_that_were_interpolated_count_as_absent(filled, clean):
    assert Assessor(IMU, 50.0, 200).assess(imu(), filled).clean == clean


def test_nothing_at_all_may_be_missing_where_it_is_so_configured():
    assessor = Assessor(IMU, 50.0, 200, max_missing=0.0)
    assert assessor.assess(imu()).clean
    assert assessor.assess(imu(), 0.005).reasons == (Reason.GAP,)


@pytest.mark.parametrize("length", [200, 600])
def test_a_block_that_comes_again_is_a_duplicate(length):
    x = imu(length)
    x[-60:-40] = x[-80:-60]
    assert judged(x).reasons == (Reason.DUPLICATE,)


def test_a_block_that_comes_again_across_the_bound_of_one_comparison_is_found():
    x = imu(600)
    x[250:270] = x[230:250]
    assert judged(x).reasons == (Reason.DUPLICATE,)


def test_readings_that_come_twice_each_are_duplicates():
    x = imu()
    x[60:120] = np.repeat(x[60:90], 2, axis=0)
    assert judged(x).reasons == (Reason.DUPLICATE,)


def test_a_baseline_that_leaves_is_drift():
    x = heart()
    x[:, 0] += np.linspace(0, 140, 60).astype(np.float32)
    assert Reason.DRIFT in judged(x, HEART, 1.0).reasons
    y = imu()
    y[:, 1] += 200
    assert found(judged(y)) == {("wx", Reason.DRIFT)}


def test_a_loose_finger_is_motion_and_one_jump_is_a_spike():
    x = heart()
    x[20:40, 0] += (30 * np.random.default_rng(3).standard_normal(20)).astype(np.float32)
    assert Reason.MOTION in judged(x, HEART, 1.0).reasons
    y = heart()
    y[30, 0] += 90
    assert found(judged(y, HEART, 1.0)) == {("hr", Reason.SPIKE)}


def test_a_step_that_stays_is_no_spike():
    x = heart()
    x[30:, 0] += 40
    assert judged(x, HEART, 1.0).clean


def test_a_lower_least_score_lets_more_pass_and_0_everything():
    x = imu()
    x[40:110, 1] = x[40, 1]
    assert not judged(x, min_score=0.5).clean
    assert judged(x, min_score=0.2).clean
    x[:] = 1e6
    assert judged(x, min_score=0.0).clean


def test_an_override_reaches_the_checks():
    x = imu()
    x[40:110, 1] = x[40, 1]
    assert judged(x, overrides=[ChannelOverride("wx", still_s=2.0)]).clean
    assert Reason.RANGE in judged(imu(), overrides=[ChannelOverride("wx", high=20.0)]).reasons


def test_a_row_of_a_table_is_judged_by_its_range_alone():
    assessor = Assessor((Channel("age", "a"), Channel("trestbps", "mm[Hg]")), None, 1)
    assert assessor.assess(np.array([60, np.nan], np.float32)).clean
    assert assessor.assess(np.array([60, 130], np.float32)).clean
    quality = assessor.assess(np.array([60, 0], np.float32))
    assert found(quality) == {("trestbps", Reason.RANGE)}


@pytest.mark.parametrize("length", range(1, 20))
def test_windows_of_any_length_are_judged(length):
    quality = judged(imu(length))
    assert 0 <= quality.score <= 1
