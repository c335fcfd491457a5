"""One sensor's way from samples to examples and detections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_agent.labels import LabelTrack
from edge_agent.settings import WindowSettings
from edge_agent.windows import Window, Windower
from firmware_bridge.sample import Mark, Sample
from models.spec import ModelSpec

Keep = Callable[[Window, str | None], None]
Look = Callable[[Window], None]


@dataclass(slots=True)
class PipelineCounters:
    """What became of the windows of one sensor.

    Attributes:
        kept: windows in the example store.
        unclean: windows with too many interpolated readings, not trained on.
        misfit: samples whose channels are not the model's.
    """

    kept: int = 0
    unclean: int = 0
    misfit: int = 0


class Pipeline:
    """Cuts, labels and gates the windows of one sensor.

    Args:
        spec: of the model; says rate, length and channels of a window.
        settings: of the windows.
        keep: takes a clean window and its label.
        look: takes every window, clean or not, for inference.
    """

    def __init__(self, spec: ModelSpec, settings: WindowSettings, keep: Keep, look: Look) -> None:
        self._channels = len(spec.channels)
        self._max_filled = settings.max_filled
        self._keep = keep
        self._look = look
        self._labels = LabelTrack()
        self._windower = _windower(spec, settings)
        self.counters = PipelineCounters()

    @property
    def windower(self) -> Windower | None:
        """The windower, for its counters; ``None`` where each reading is an example."""
        return self._windower

    def take(self, event: Sample | Mark) -> None:
        """Take what a source yielded."""
        if isinstance(event, Mark):
            self._labels.add(event)
        elif len(event.channels) != self._channels:
            self.counters.misfit += 1
        else:
            for window in self._windows(event):
                self._judge(window)

    def _windows(self, sample: Sample) -> list[Window]:
        return _readings(sample) if self._windower is None else self._windower.add(sample)

    def _judge(self, window: Window) -> None:
        self._look(window)
        if window.filled > self._max_filled:
            self.counters.unclean += 1
        else:
            self.counters.kept += 1
            self._keep(window, self._labels.label_of(window.start_ns, window.end_ns))


def _windower(spec: ModelSpec, settings: WindowSettings) -> Windower | None:
    if len(spec.input_shape) == 1 or spec.rate_hz is None:
        return None
    length = spec.input_shape[0]
    return Windower(spec.rate_hz, length, settings.hop or length // 2, settings.max_gap)


def _readings(sample: Sample) -> list[Window]:
    """Each reading of a table is an example of its own; its absent values stay NaN."""
    step = max(sample.interval_ns, 1)
    starts = [sample.timestamp_ns + i * sample.interval_ns for i in range(len(sample.values))]
    return [
        Window(sample.sensor, start, start + step, np.asarray(row, np.float32), 0.0)
        for start, row in zip(starts, sample.values, strict=True)
    ]
