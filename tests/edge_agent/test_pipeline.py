"""One sensor's way from samples to examples and detections."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.pipeline import Pipeline
from edge_agent.quality_settings import QualitySettings
from edge_agent.settings import WindowSettings
from edge_agent.windows import Window
from firmware_bridge.quality import Reason
from firmware_bridge.sample import Channel, Mark, Sample
from models.artifact import load_artifact

WINDOWS = load_artifact("shoulder-cnn1d").spec
TABLE = load_artifact("heart-mlp").spec
STEP = 20_000_000


class Taken:
    """What a pipeline handed on."""

    def __init__(self) -> None:
        self.kept: list[tuple[Window, str | None]] = []
        self.looked: list[Window] = []
        self.held: list[tuple[Reason, ...]] = []

    def keep(self, window: Window, label: str | None, truth: NDArray[np.float32] | None) -> None:
        assert truth is None
        self.kept.append((window, label))

    def look(self, window: Window, held: tuple[Reason, ...]) -> None:
        self.looked.append(window)
        self.held.append(held)


@pytest.fixture
def taken() -> Taken:
    return Taken()


def windows(taken: Taken, quality: QualitySettings | None = None, **settings: float) -> Pipeline:
    chosen = WindowSettings(**settings)  # type: ignore[arg-type]
    return Pipeline(WINDOWS, chosen, taken.keep, taken.look, quality or QualitySettings())


def readings(start: int, count: int) -> Sample:
    channels = tuple(Channel(c.name, c.unit) for c in WINDOWS.channels)
    values = 0.1 * np.random.default_rng(start).standard_normal((count, len(channels)))
    values = values.astype(np.float32)
    return Sample("watch", "imu", channels, start * STEP, STEP, values)


def test_windows_are_looked_at_and_kept_with_their_label(taken: Taken) -> None:
    pipeline = windows(taken)
    pipeline.take(Mark("watch", 0, "PEN"))
    pipeline.take(readings(0, 300))
    pipeline.take(Mark("watch", 300 * STEP, "ABD"))
    pipeline.take(readings(300, 200))
    assert [window.start_ns // STEP for window in taken.looked] == [0, 100, 200, 300]
    assert [label for _, label in taken.kept] == ["PEN", "PEN", None, "ABD"]
    assert pipeline.counters.kept == 4
    assert pipeline.windower is not None
    assert pipeline.windower.counters.windows == 4


def test_the_hop_is_as_set(taken: Taken) -> None:
    windows(taken, hop=50).take(readings(0, 400))
    assert len(taken.kept) == 5


def test_a_window_with_too_much_filled_is_looked_at_and_not_kept(taken: Taken) -> None:
    pipeline = windows(taken, max_filled=0.01)
    pipeline.take(readings(0, 50))
    pipeline.take(readings(53, 347))
    assert [window.filled for window in taken.looked] == [0.015, 0, 0]
    assert len(taken.kept) == 2
    assert pipeline.counters.unclean == 1
    assert pipeline.counters.reasons[Reason.GAP] == 1
    # What was measured of such a window is the wearer's: its alerts are not held back.
    assert taken.held == [(), (), ()]


def off_body() -> Sample:
    sample = readings(0, 400)
    sample.values[150:, 2] = 0.25
    sample.values[180, 0] = 900.0
    return sample


def test_an_unclean_window_is_looked_at_counted_by_reason_and_not_kept(taken: Taken) -> None:
    pipeline = windows(taken)
    pipeline.take(off_body())
    assert [window.start_ns // STEP for window, _ in taken.kept] == []
    assert len(taken.looked) == 3
    assert pipeline.counters.unclean == pipeline.counters.held == 3
    counted = {reason: n for reason, n in pipeline.counters.reasons.items() if n}
    assert counted == {Reason.RANGE: 2, Reason.FLATLINE: 3, Reason.DRIFT: 2}
    assert taken.held[0] == (Reason.RANGE, Reason.FLATLINE)


def test_a_reason_that_is_ignored_neither_counts_nor_holds(taken: Taken) -> None:
    pipeline = windows(taken, QualitySettings(ignore=tuple(Reason)))
    pipeline.take(off_body())
    assert len(taken.kept) == 3
    assert taken.held == [(), (), ()]
    assert not any(pipeline.counters.reasons.values())


def test_a_least_score_of_0_keeps_all_but_what_was_filled(taken: Taken) -> None:
    pipeline = windows(taken, QualitySettings(min_score=0.0), max_filled=0.0)
    pipeline.take(off_body())
    assert len(taken.kept) == 3
    pipeline.take(readings(402, 200))
    # Windows overlap by half, so two of them have the gap.
    assert pipeline.counters.reasons[Reason.GAP] == 2


def test_the_reasons_that_hold_are_as_set(taken: Taken) -> None:
    windows(taken, QualitySettings(hold_alerts=("range",))).take(off_body())
    assert taken.held == [(Reason.RANGE,), (Reason.RANGE,), ()]


def test_a_sample_of_other_channels_is_counted_and_dropped(taken: Taken) -> None:
    pipeline = windows(taken)
    channels = (Channel("hr", "/min"),)
    pipeline.take(Sample("watch", "hr", channels, 0, STEP, np.ones((500, 1), np.float32)))
    assert pipeline.counters.misfit == 1
    assert taken.looked == []


def test_the_models_channels_are_found_by_name_among_others(taken: Taken) -> None:
    """A glucose sensor may send the trend with each value."""
    spec = load_artifact("glucose-forecast").spec
    kept: list[tuple[Window, NDArray[np.float32]]] = []
    pipeline = Pipeline(
        spec,
        WindowSettings(hop=1),
        lambda window, label, truth: kept.append((window, truth)),
        taken.look,
        QualitySettings(min_score=0.0),
    )
    channels = (Channel("trend", "mg/dL/min"), Channel("glucose", "mg/dL"))
    values = np.stack([np.full(40, 1.5), 100 + np.arange(40)], axis=1).astype(np.float32)
    pipeline.take(Sample("cgm", "cgm", channels, 0, 300 * 10**9, values))
    assert pipeline.counters.misfit == 0
    assert [float(truth[0] - window.values[-1, 0]) for window, truth in kept] == [6.0] * 11
    assert len(taken.looked) == 17  # the last six wait for what comes
    assert (pipeline.counters.kept, pipeline.counters.untold) == (11, 0)


def test_each_reading_of_a_table_is_an_example(taken: Taken) -> None:
    pipeline = Pipeline(TABLE, WindowSettings(), taken.keep, taken.look)
    channels = tuple(Channel(c.name, c.unit) for c in TABLE.channels)
    values = np.arange(26, dtype=np.float32).reshape(2, 13)
    values[0, 3] = np.nan
    pipeline.take(Mark("ehr", 0, "healthy"))
    pipeline.take(Sample("ehr", "visit", channels, 10, 5, values))
    assert pipeline.windower is None
    assert [(w.start_ns, w.end_ns, label) for w, label in taken.kept] == [
        (10, 15, "healthy"),
        (15, 20, "healthy"),
    ]
    assert np.array_equal(taken.kept[0][0].values, values[0], equal_nan=True)
