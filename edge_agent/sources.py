"""From the settings of sensors to the sources that read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edge_agent.settings import SensorSettings
from firmware_bridge.serial_source import SerialSource
from firmware_bridge.source import Source

if TYPE_CHECKING:
    from firmware_bridge.ble import Adapter


def open_sources(sensors: Iterable[SensorSettings]) -> tuple[Source, ...]:
    """Return the sources of configured sensors; each opens when its events are asked for.

    The BLE sensors of one adapter share its scanner and its turn to connect.
    """
    adapters: dict[str, Adapter] = {}
    return tuple(
        _ble_source(sensor, adapters) if sensor.kind == "ble" else _serial_source(sensor)
        for sensor in sensors
    )


def _serial_source(sensor: SensorSettings) -> Source:
    return SerialSource(sensor.name, sensor.port, sensor.baudrate)


def _ble_source(sensor: SensorSettings, adapters: dict[str, Adapter]) -> Source:
    # A gateway without BLE sensors does not pay for bleak's memory.
    from firmware_bridge.ble import BleSource  # noqa: PLC0415  # as above
    from firmware_bridge.profiles import profile  # noqa: PLC0415  # as above

    if sensor.adapter not in adapters:
        adapters[sensor.adapter] = _adapter(sensor.adapter)
    return BleSource(
        sensor.name,
        profile(sensor.profile),
        adapters[sensor.adapter],
        address=sensor.address,
        interval_s=sensor.interval_s,
    )


def _adapter(name: str) -> Adapter:
    from firmware_bridge.ble.system_adapter import (  # noqa: PLC0415  # as above
        open_system_adapter,
    )

    return open_system_adapter(name)
