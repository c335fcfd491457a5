"""From settings to sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edge_agent.sensor_settings import SensorSettings
from edge_agent.sources import open_sources
from firmware_bridge.ble import BleSource
from firmware_bridge.serial_source import SerialSource


def test_a_source_has_its_sensors_name_and_opens_nothing_yet() -> None:
    (source,) = open_sources([SensorSettings("watch", "/dev/does-not-exist")])
    assert source.sensor == "watch"
    assert source.counters.frames == 0


def test_each_kind_has_its_source_and_the_sensors_of_an_adapter_share_it() -> None:
    serial, one, two, three = open_sources(
        (
            SensorSettings("watch", "/dev/ttyUSB0"),
            SensorSettings("one", kind="ble", profile="heart_rate"),
            SensorSettings("two", kind="ble", profile="health_thermometer"),
            SensorSettings("three", kind="ble", profile="heart_rate", adapter="hci1"),
        )
    )
    assert isinstance(serial, SerialSource)
    assert isinstance(one, BleSource)
    assert isinstance(two, BleSource)
    assert isinstance(three, BleSource)
    assert one.adapter is two.adapter
    assert one.adapter is not three.adapter


def test_a_gateway_without_ble_sensors_does_not_load_bleak() -> None:
    program = (
        "import sys; from edge_agent.sensor_settings import SensorSettings; "
        "from edge_agent.sources import open_sources; "
        "open_sources([SensorSettings('watch', '/dev/ttyUSB0')]); "
        "sys.exit('bleak' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=root).returncode == 0
