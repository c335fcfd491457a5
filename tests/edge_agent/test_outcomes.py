"""Windows wait for what they should have foretold, over gaps, late readings and clocks set back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_agent.outcomes import Outcome, OutcomeTrack
from edge_agent.windows import Windower
from firmware_bridge.sample import Channel, Sample
from models.artifact import load_artifact
from models.spec import Target

FORECAST = load_artifact("glucose-forecast").spec
LENGTH, AHEAD = FORECAST.input_shape[0], FORECAST.targets[0].ahead
STEP_NS = 300 * 10**9


def reading(step: float, value: float) -> Sample:
    values = np.array([[value]], np.float32)
    channels = (Channel("glucose", "mg/dL"),)
    return Sample("cgm", "cgm", channels, round(step * STEP_NS), 0, values)


def believable(row: NDArray[np.float32]) -> bool:
    return bool(40 <= row[0] <= 400)


class Line:
    """A windower with a hop of 1, and the track behind it, as a pipeline has them."""

    def __init__(self, spec=FORECAST) -> None:  # type: ignore[no-untyped-def]
        self.windower = Windower(1 / 300, LENGTH, 1)
        self.track = OutcomeTrack(spec, believable)
        self.found: list[Outcome] = []

    def take(self, sample: Sample) -> None:
        for window in self.windower.add(sample):
            self.track.expect(window)
        self.found += self.track.add(sample)

    def read(self, steps: range, skip: tuple[int, ...] = ()) -> Line:
        """A reading of 100 + step mg/dL at each step but those skipped."""
        for step in steps:
            if step not in skip:
                self.take(reading(step, 100 + step))
        return self

    @property
    def starts(self) -> list[int]:
        return [window.start_ns // STEP_NS for window, _ in self.found]


def test_a_window_is_complete_when_the_value_arrives_and_not_before() -> None:
    line = Line().read(range(LENGTH + AHEAD - 1))
    assert (line.found, line.track.waiting, line.track.lost) == ([], AHEAD, 0)
    line.read(range(LENGTH + AHEAD - 1, LENGTH + AHEAD))
    ((window, values),) = line.found
    assert window.start_ns == 0
    assert values.tolist() == [100 + LENGTH - 1 + AHEAD]


def test_a_gap_before_the_moment_does_no_harm_and_one_at_it_costs_its_windows() -> None:
    due = LENGTH - 1 + AHEAD
    assert Line().read(range(due + 1), skip=tuple(range(LENGTH, due))).starts == [0]
    line = Line().read(range(due + 3), skip=(due,))
    # Window 1's value was read, window 0's was not.
    assert line.starts == [1, 2]
    assert line.track.lost == 1


def test_what_lies_between_two_readings_is_interpolated() -> None:
    line = Line().read(range(LENGTH + AHEAD - 1))
    line.take(reading(LENGTH + AHEAD - 0.75, 300))
    before = 100 + LENGTH + AHEAD - 2
    assert line.found[0][1].tolist() == pytest.approx([before + (300 - before) * 0.8], rel=1e-6)


def test_a_value_that_cannot_be_is_nothing_to_learn() -> None:
    line = Line().read(range(LENGTH + AHEAD - 1))
    line.take(reading(LENGTH + AHEAD - 1, 900))
    assert (line.found, line.track.lost) == ([], 1)


def test_an_absent_or_late_reading_is_passed_over() -> None:
    line = Line().read(range(LENGTH + AHEAD - 1))
    for sample in (reading(LENGTH + AHEAD - 1, np.nan), reading(LENGTH, 40.0)):
        line.take(sample)
    assert (line.found, line.track.lost, line.track.waiting) == ([], 0, AHEAD)
    assert line.read(range(LENGTH + AHEAD - 1, LENGTH + AHEAD)).starts == [0]


def test_what_waits_when_the_clock_is_set_back_is_lost() -> None:
    line = Line().read(range(1000, 1000 + LENGTH))
    line.read(range(LENGTH + AHEAD))
    assert line.track.lost == 1
    assert line.starts == [0]


def test_each_target_is_waited_for_and_one_of_now_is_known_at_once() -> None:
    targets = tuple(Target(f"glucose+{n}", "glucose", n) for n in (0, 6, 2))
    line = Line(replace(FORECAST, targets=targets)).read(range(LENGTH + AHEAD))
    last = 100 + LENGTH - 1
    assert [values.tolist() for _, values in line.found] == [[last, last + 6, last + 2]]


@given(
    missing=st.sets(st.integers(0, 119), max_size=60),
    burst=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_every_outcome_is_a_reading_and_every_window_is_accounted_for(missing, burst, seed) -> None:
    """Whatever is missing, and however many readings a sample brings at once."""
    values = np.random.default_rng(seed).uniform(50, 390, 120).astype(np.float32)
    line = Line()
    kept = [step for step in range(120) if step not in missing]
    for first in range(0, len(kept), burst):
        run = kept[first : first + burst]
        for part in np.split(run, np.flatnonzero(np.diff(run) > 1) + 1):
            sample = reading(int(part[0]), 0)
            line.take(replace(sample, interval_ns=STEP_NS, values=values[part][:, None]))
    for window, truth in line.found:
        due = window.end_ns // STEP_NS - 1 + AHEAD
        assert due not in missing
        assert truth.tolist() == [values[due]]
    windows = line.windower.counters.windows
    assert windows == len(line.found) + line.track.lost + line.track.waiting
    assert line.track.waiting <= AHEAD
