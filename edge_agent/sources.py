"""From a sensor's settings to the source that reads it."""

from __future__ import annotations

from edge_agent.settings import SensorSettings
from firmware_bridge.serial_source import SerialSource
from firmware_bridge.source import Source


def open_source(sensor: SensorSettings) -> Source:
    """Return the source of a configured sensor; it opens when its events are asked for."""
    return SerialSource(sensor.name, sensor.port, sensor.baudrate)
