"""From settings to a source."""

from __future__ import annotations

from edge_agent.settings import SensorSettings
from edge_agent.sources import open_source


def test_a_source_has_its_sensors_name_and_opens_nothing_yet() -> None:
    source = open_source(SensorSettings("watch", "/dev/does-not-exist"))
    assert source.sensor == "watch"
    assert source.counters.frames == 0
