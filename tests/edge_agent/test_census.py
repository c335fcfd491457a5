"""One line says what became of a sensor's readings."""

from __future__ import annotations

import numpy as np

from edge_agent.census import Census
from edge_agent.pipeline import Pipeline
from edge_agent.settings import WindowSettings
from firmware_bridge.sample import Channel, Sample
from firmware_bridge.source import SourceCounters
from models.artifact import load_artifact


class Watch:
    """A source that has read what its counters say."""

    sensor = "watch"

    def __init__(self):
        self.counters = SourceCounters()


def test_says_what_is_not_zero_and_only_when_it_changes():
    source = Watch()
    spec = load_artifact("shoulder-cnn1d").spec
    pipeline = Pipeline(
        spec, WindowSettings(), lambda window, label, truth: None, lambda window, held: None
    )
    census = Census(source, pipeline)
    assert census.news() == "sensor watch: nothing yet"
    assert census.news() == ""
    source.counters.frames = 21
    source.counters.malformed = 2
    channels = tuple(Channel(c.name, c.unit) for c in spec.channels)
    pipeline.take(
        Sample("watch", "imu", channels, 10**18, 20_000_000, np.zeros((210, 6), np.float32))
    )
    assert census.news() == (
        "sensor watch: frames=21 malformed=2 windows=1 unclean=1 held=1 unclean_flatline=1"
    )
    assert census.news() == ""
