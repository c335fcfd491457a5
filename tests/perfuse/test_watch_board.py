import re
from types import MappingProxyType

import numpy as np

from firmware_bridge.sample import Absence, Channel, Mark, Sample
from firmware_bridge.source import SourceCounters
from perfuse.watch_board import WatchBoard

PLETH = (Channel("pleth", "{count}"),)
OX = (Channel("spo2", "%"), Channel("pulse_rate", "/min"))


def ox(spo2, rate, absent=None):
    values = np.array([[spo2, rate]], np.float32)
    return Sample("ox", "pulse_oximeter", OX, 0, 0, values, MappingProxyType(absent or {}))


def board():
    counters = {"ox": SourceCounters(frames=7, malformed=2), "strap": SourceCounters()}
    return WatchBoard(counters)


def test_a_board_shows_values_ranges_and_what_was_counted():
    shown = board()
    wave = np.arange(750, dtype=np.float32).reshape(-1, 1)
    shown.take(Sample("ox", "pleth", PLETH, 0, 13_333_333, wave), 1.0)
    for rate in (60, 61, 66):
        shown.take(ox(97, rate), 1.0)
    shown.take(Mark("ox", 0, "rest"), 1.0)
    lines = list(shown.lines(100, 2.0, color=False))
    assert lines[0] == "● ox  live  7 frames, 2 malformed  [rest]"
    assert re.search(r"pleth +749 \{count\} +▁+▂+▃+▄+▅+▆+▇+█+ +0 \.\. 749", lines[1])
    assert re.search(r"pulse_oximeter\.pulse_rate +66 /min +▁▂█ +60 \.\. 66", lines[3])
    assert lines[5] == "● strap  waiting  0 frames"


def test_an_absent_value_says_why_and_silence_is_said():
    shown = board()
    shown.take(ox(97, 60), 1.0)
    shown.take(ox(np.nan, 60, {0: Absence.NO_CONTACT}), 1.0)
    lines = list(shown.lines(100, 21.0, color=False))
    assert "silent for 20 s" in lines[0]
    assert "no-contact" in lines[1]


def test_lines_fit_the_terminal_and_memory_is_bounded():
    shown = board()
    for _ in range(100):
        shown.take(Sample("ox", "ecg", PLETH, 0, 4_000_000, np.ones((1000, 1), np.float32)), 0.0)
        shown.take(ox(97, 60), 0.0)
    for width in (40, 66, 80, 200):
        for color in (False, True):
            for line in shown.lines(width, 0.0, color=color):
                plain = re.sub(r"\x1b\[[0-9]*m", "", line)
                assert len(plain) <= max(width, 68)
    kept = [len(series.values) for series in shown._panels["ox"].series.values()]
    assert kept == [2500, 60, 60]
