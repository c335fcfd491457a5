import numpy as np

from firmware_bridge.replay_faults import Faults

FRAMES = [(n, bytes([n % 255 + 1]) * 20 + b"\0") for n in range(2000)]


def test_no_faults_change_nothing():
    assert list(Faults(np.random.default_rng(1)).apply(FRAMES)) == FRAMES


def test_faults_come_as_often_as_ordered_and_are_counted():
    faults = Faults(np.random.default_rng(1), corrupt=0.1, drop=0.05, duplicate=0.2)
    out = list(faults.apply(FRAMES))
    sent = set(FRAMES)
    assert len(out) == len(FRAMES) - faults.dropped + faults.duplicated
    assert sum(frame not in sent for frame in out) == faults.corrupted
    assert 70 < faults.dropped < 130
    assert 320 < faults.duplicated < 440
    assert 170 < faults.corrupted < 290


def test_a_seed_gives_the_same_faults():
    first, second = (Faults(np.random.default_rng(5), corrupt=0.5, drop=0.2) for _ in range(2))
    assert list(first.apply(FRAMES)) == list(second.apply(FRAMES))
