import math
from collections import Counter

import numpy as np
import pytest

from firmware_bridge.replay_faults import FaultRates, Faults, parse_faults
from firmware_bridge.replay_items import LineOutage, ReplayFrame

SECOND = 10**9
FRAMES = [ReplayFrame(n * SECOND // 10, bytes([n % 255 + 1]) * 20 + b"\0", 3) for n in range(5000)]


def run(seed=1, **rates):
    lost, copied = Counter(), []
    faults = Faults(
        np.random.default_rng(seed),
        FaultRates(**rates),
        lost=lambda reason, frame: lost.update({reason: frame.readings}),
        copied=copied.append,
    )
    out = list(faults.apply(FRAMES))
    return out, faults.counters, lost, copied


def balanced(counters):
    came = counters.offered + counters.duplicated
    return came == counters.passed + counters.dropped + counters.in_gaps + counters.in_outages


def test_no_faults_change_nothing():
    out, counters, lost, _ = run()
    assert out == FRAMES
    assert (counters.offered, counters.passed) == (5000, 5000)
    assert not lost


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        ("drop", "dropped"),
        ("duplicate", "duplicated"),
        ("flip", "flipped"),
        ("reorder", "reordered"),
    ],
)
def test_a_fault_comes_as_often_as_ordered(fault, counted):
    _, counters, *_ = run(**{fault: 0.1})
    times = getattr(counters, counted)
    # Three standard deviations; a frame that is overtaken is not reordered itself.
    expected = 500 if fault != "reorder" else 5000 * 0.1 / 1.1
    assert abs(times - expected) < 3 * math.sqrt(5000 * 0.1 * 0.9)
    assert balanced(counters)


def test_a_flip_changes_one_bit():
    out, counters, *_ = run(flip=0.2)
    flipped = 0
    for before, after in zip(FRAMES, out, strict=True):
        wrong = int.from_bytes(before.data) ^ int.from_bytes(after.data)
        assert wrong.bit_count() == int(after.damaged)
        flipped += after.damaged
    assert flipped == counters.flipped


def test_reordered_frames_change_places_and_time_goes_on():
    out, counters, *_ = run(reorder=0.05)
    assert sorted(item.data for item in out) == sorted(item.data for item in FRAMES)
    assert [a.due_ns for a in out] == sorted(a.due_ns for a in out)
    moved = sum(a.data != b.data for a, b in zip(out, FRAMES, strict=True))
    assert moved == 2 * counters.reordered > 0


def test_a_gap_is_as_long_as_ordered():
    out, counters, lost, _ = run(gap=0.002, gap_s=2.0)
    assert counters.gaps > 3
    # The frame that the gap begins with and nineteen behind it; the last gap may be cut.
    assert 20 * (counters.gaps - 1) < counters.in_gaps <= 20 * counters.gaps
    assert lost == {"gap": 3 * counters.in_gaps}
    assert balanced(counters)
    assert len(out) == counters.passed


def test_what_is_due_in_a_stall_comes_at_its_end():
    out, counters, *_ = run(stall=0.002, stall_s=1.5)
    late = [frame for frame, was in zip(out, FRAMES, strict=True) if frame.due_ns != was.due_ns]
    assert counters.stalls > 3
    assert 14 * (counters.stalls - 1) < len(late) <= 15 * counters.stalls
    assert [a.due_ns for a in out] == sorted(a.due_ns for a in out)


def test_a_disconnect_is_an_outage_and_loses_what_is_due_in_it():
    out, counters, lost, _ = run(disconnect=0.002, disconnect_s=3.0)
    outages = [item for item in out if isinstance(item, LineOutage)]
    assert len(outages) == counters.disconnects > 3
    assert {outage.lasts_ns for outage in outages} == {3 * SECOND}
    assert lost == {"disconnect": 3 * counters.in_outages}
    assert balanced(counters)


def test_all_at_once_still_balance_and_a_seed_gives_the_same():
    rates = dict.fromkeys(("drop", "duplicate", "reorder", "flip", "stall"), 0.05)
    rates |= {"gap": 0.001, "disconnect": 0.001}
    first, counters, lost, copied = run(7, **rates)
    assert balanced(counters)
    passed = [item for item in first if isinstance(item, ReplayFrame)]
    assert len(passed) == counters.passed
    assert sum(frame.readings for frame in passed) == 15000 + 3 * len(copied) - lost.total()
    assert run(7, **rates)[0] == first
    assert run(8, **rates)[0] != first


def test_rates_are_written_as_text():
    assert parse_faults("") == FaultRates()
    assert parse_faults(" drop=0.01, gap=1e-3,gap_s=3 ") == FaultRates(drop=0.01, gap=1e-3, gap_s=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("drip=0.1", "no fault 'drip'; there are drop"),
        ("drop", "drop: '' is not a number"),
        ("drop=x", "drop: 'x' is not a number"),
        ("drop=1.5", "drop: is not a number of 0 to 1"),
        ("drop=nan", "drop: is not a number of 0 to 1"),
        ("gap_s=1e9", "gap_s: is not a number of 0 to 86400"),
    ],
)
def test_a_wrong_text_is_said_by_its_name(text, words):
    with pytest.raises(ValueError, match=words):
        parse_faults(text)
