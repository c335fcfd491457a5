"""One sensor's way from samples to examples and detections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge_agent.labels import LabelTrack
from edge_agent.outcomes import OutcomeTrack
from edge_agent.quality_settings import QualitySettings
from edge_agent.settings import WindowSettings
from edge_agent.windows import Window, Windower
from firmware_bridge.quality import Assessor, Reason
from firmware_bridge.sample import Channel, Mark, Sample
from models.spec import REGRESSION, ModelSpec

Keep = Callable[[Window, str | None, NDArray[np.float32] | None], None]
Look = Callable[[Window, tuple[Reason, ...]], None]

_DEFAULT_QUALITY = QualitySettings()


@dataclass(slots=True)
class PipelineCounters:
    """What became of the windows of one sensor.

    Attributes:
        kept: windows in the example store.
        untold: clean windows that were not kept, for a forecast's true value was not measured.
        unclean: windows that are not trained on, for at least one reason.
        held: windows whose alerts are held back, among the unclean ones.
        misfit: samples that do not have the model's channels.
        reasons: unclean windows by reason; one with two reasons counts for both.
    """

    kept: int = 0
    untold: int = 0
    unclean: int = 0
    held: int = 0
    misfit: int = 0
    reasons: dict[Reason, int] = field(default_factory=lambda: dict.fromkeys(Reason, 0))


class Pipeline:
    """Cuts, labels and gates the windows of one sensor.

    Args:
        spec: of the model; says rate, length and channels of a window.
        settings: of the windows.
        keep: takes a clean window, its label, and for a forecast float32[targets], the values that
            came, as soon as they are known.
        look: takes every window, clean or not, for inference, and why its alerts are held back.
        quality: which windows are clean.
    """

    def __init__(
        self,
        spec: ModelSpec,
        settings: WindowSettings,
        keep: Keep,
        look: Look,
        quality: QualitySettings = _DEFAULT_QUALITY,
    ) -> None:
        self._channels = tuple(Channel(channel.name, channel.unit) for channel in spec.channels)
        self._max_filled = settings.max_filled
        self._assessor = _assessor(spec, settings, quality)
        self._counted, self._holding = quality.counted, quality.holding
        self._keep = keep
        self._look = look
        self._labels = LabelTrack()
        self._windower = _windower(spec, settings)
        self._outcomes = _outcomes(spec, settings, quality)
        self.counters = PipelineCounters()

    @property
    def windower(self) -> Windower | None:
        """The windower, for its counters; ``None`` where each reading is an example."""
        return self._windower

    def take(self, event: Sample | Mark) -> None:
        """Take what a source yielded."""
        if isinstance(event, Mark):
            self._labels.add(event)
        elif (sample := self._fitting(event)) is None:
            self.counters.misfit += 1
        else:
            for window in self._windows(sample):
                self._judge(window)
            self._keep_outcomes(sample)

    def _fitting(self, sample: Sample) -> Sample | None:
        """The model's channels of a sample: those of their names and units, else all if as many."""
        if sample.channels == self._channels:
            return sample
        if set(self._channels) <= set(sample.channels):
            places = [sample.channels.index(channel) for channel in self._channels]
            absent = {i: sample.absent[p] for i, p in enumerate(places) if p in sample.absent}
            return replace(
                sample,
                channels=self._channels,
                values=sample.values[:, places],
                absent=absent,
            )
        return sample if len(sample.channels) == len(self._channels) else None

    def _windows(self, sample: Sample) -> list[Window]:
        return _readings(sample) if self._windower is None else self._windower.add(sample)

    def _judge(self, window: Window) -> None:
        reasons = self._reasons(window)
        held = tuple(reason for reason in reasons if reason in self._holding)
        self.counters.held += bool(held)
        self._look(window, held)
        if reasons:
            self.counters.unclean += 1
            for reason in reasons:
                self.counters.reasons[reason] += 1
        elif self._outcomes is not None:
            self._outcomes.expect(window)
        else:
            self.counters.kept += 1
            self._keep(window, self._labels.label_of(window.start_ns, window.end_ns), None)

    def _keep_outcomes(self, sample: Sample) -> None:
        if self._outcomes is None:
            return
        for window, values in self._outcomes.add(sample):
            self.counters.kept += 1
            self._keep(window, None, values)
        self.counters.untold = self._outcomes.lost

    def _reasons(self, window: Window) -> tuple[Reason, ...]:
        found = set(self._assessor.assess(window.values).reasons)
        # The share of filled readings has a setting of its own, whatever the least score is.
        if window.filled > self._max_filled:
            found.add(Reason.GAP)
        return tuple(reason for reason in Reason if reason in found and reason in self._counted)


def _windower(spec: ModelSpec, settings: WindowSettings) -> Windower | None:
    if len(spec.input_shape) == 1 or spec.rate_hz is None:
        return None
    length = spec.input_shape[0]
    return Windower(spec.rate_hz, length, settings.hop or length // 2, settings.max_gap)


def _assessor(spec: ModelSpec, settings: WindowSettings, quality: QualitySettings) -> Assessor:
    in_time = _windower(spec, settings) is not None
    return Assessor(
        [Channel(channel.name, channel.unit) for channel in spec.channels],
        spec.rate_hz if in_time else None,
        spec.input_shape[0] if in_time else 1,
        [channel.override() for channel in quality.channel],
        quality.min_score,
    )


def _outcomes(
    spec: ModelSpec, settings: WindowSettings, quality: QualitySettings
) -> OutcomeTrack | None:
    """What a forecast's windows wait in; a value that no window could have is no outcome."""
    if spec.task != REGRESSION:
        return None
    assessor = Assessor(
        [Channel(channel.name, channel.unit) for channel in spec.channels],
        None,
        1,
        [channel.override() for channel in quality.channel],
        quality.min_score,
    )
    return OutcomeTrack(
        spec,
        lambda row: not quality.counted.intersection(assessor.assess(row).reasons),
        settings.max_gap,
    )


def _readings(sample: Sample) -> list[Window]:
    """Each reading of a table is an example of its own; its absent values stay NaN."""
    step = max(sample.interval_ns, 1)
    starts = [sample.timestamp_ns + i * sample.interval_ns for i in range(len(sample.values))]
    return [
        Window(sample.sensor, start, start + step, np.asarray(row, np.float32), 0.0)
        for start, row in zip(starts, sample.values, strict=True)
    ]
