"""What an agent may be told; a wrong value is named by its key."""

from __future__ import annotations

import math
from typing import Any

import pytest

from broker.settings import SettingError
from edge_agent.sensor_settings import SensorSettings
from edge_agent.settings import AgentSettings, AlertSettings, WindowSettings

AGENT = {"population": "ward", "gateway": "g1", "model": "shoulder-cnn1d", "state_dir": "state"}
WATCH = SensorSettings("watch", "/dev/ttyACM0")


@pytest.mark.parametrize(
    ("cls", "values", "key"),
    [
        (SensorSettings, {"name": "a/b", "port": "p"}, "sensor.name"),
        (SensorSettings, {"name": "w", "port": "p", "kind": "usb"}, "sensor.kind"),
        (SensorSettings, {"name": "w", "port": ""}, "sensor.port"),
        (SensorSettings, {"name": "w", "port": "p", "baudrate": 5}, "sensor.baudrate"),
        (WindowSettings, {"hop": -1}, "window.hop"),
        (WindowSettings, {"max_gap": -1}, "window.max_gap"),
        (WindowSettings, {"max_filled": 1.1}, "window.max_filled"),
        (AlertSettings, {"min_probability": math.nan}, "alert.min_probability"),
        (AlertSettings, {"consecutive": 0}, "alert.consecutive"),
        (AlertSettings, {"anomaly_score": -1.0}, "alert.anomaly_score"),
        (AgentSettings, AGENT | {"population": ""}, "population"),
        (AgentSettings, AGENT | {"gateway": "g 1"}, "gateway"),
        (AgentSettings, AGENT | {"sensor": (WATCH, WATCH)}, "sensor.name"),
        (AgentSettings, AGENT | {"example_capacity": 0}, "example_capacity"),
        (AgentSettings, AGENT | {"chunk_bytes": 100}, "chunk_bytes"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(cls: type, values: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        cls(**values)
    assert caught.value.key == key
    assert str(caught.value).startswith(f"{key}: ")


def test_what_an_agent_needs_is_four_names() -> None:
    settings = AgentSettings(**AGENT, sensor=(WATCH,))  # type: ignore[arg-type]
    assert settings.sensor[0].kind == "serial"
