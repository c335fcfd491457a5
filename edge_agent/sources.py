"""From the settings of sensors to the sources that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge_agent.sensor_settings import AUTO, SensorSettings
from firmware_bridge.raw_tap import RawTap
from firmware_bridge.source import Source, SourceCounters

if TYPE_CHECKING:
    from firmware_bridge.ble import Adapter
    from firmware_bridge.profile import SerialLink
    from firmware_bridge.serial_hub import SerialHub

# Who is told of a sensor's bytes, by the sensor and the name of its profile once that is known.
TapOf = Callable[[SensorSettings, str], RawTap | None]


def open_sources(
    sensors: Iterable[SensorSettings],
    tap_of: TapOf = lambda _sensor, _profile: None,
    *,
    open_adapter: Callable[[str], Adapter] | None = None,
) -> tuple[Source, ...]:
    """Return the sources of configured sensors; each opens when its events are asked for.

    The BLE sensors of one adapter share its scanner and its turn to connect, the serial ones a
    thread that reads them.

    Args:
        sensors: what to read.
        tap_of: who is told of their bytes.
        open_adapter: a Bluetooth adapter by its name; those of the system when not given.

    Raises:
        RecordingError: a replay's file cannot be read.
    """
    opener = _Opener(tap_of, open_adapter if open_adapter is not None else _system_adapter)
    return tuple(opener.open(sensor) for sensor in sensors)


class _Opener:
    """Opens the sources of one gateway. A gateway does not pay for the memory of kinds that it has
    not, so that each kind is imported where it is used."""

    def __init__(self, tap_of: TapOf, open_adapter: Callable[[str], Adapter]) -> None:
        self._tap_of = tap_of
        self._open_adapter = open_adapter
        self._adapters: dict[str, Adapter] = {}
        self._hub: SerialHub | None = None

    def open(self, sensor: SensorSettings) -> Source:
        if sensor.kind == "replay":
            return self._replay(sensor)
        if sensor.profile == AUTO:
            return self._discovered(sensor)
        return self._named(sensor, sensor.profile, SourceCounters())

    def _named(self, sensor: SensorSettings, profile_name: str, counters: SourceCounters) -> Source:
        if sensor.kind == "ble":
            return self._ble(sensor, profile_name, counters)
        return self._serial(sensor, profile_name, counters)

    def _serial(
        self, sensor: SensorSettings, profile_name: str, counters: SourceCounters
    ) -> Source:
        from firmware_bridge.serial_line import LineSettings  # noqa: PLC0415  # as above
        from firmware_bridge.serial_source import SerialSource  # noqa: PLC0415  # as above
        from firmware_bridge.stream_decoder import (  # noqa: PLC0415  # as above
            is_own_frame,
            open_decoder,
        )

        link: SerialLink | None = None
        if not is_own_frame(profile_name):
            from firmware_bridge.profiles import serial_link  # noqa: PLC0415  # as above

            link = serial_link(profile_name)
        return SerialSource(
            sensor.name,
            sensor.port,
            LineSettings.of(link).overridden(sensor.baudrate, sensor.parity, sensor.stop_bits),
            decoder=open_decoder(sensor.name, profile_name, counters),
            commands=link,
            hub=self._serial_hub(),
            tap=self._tap_of(sensor, profile_name),
        )

    def _ble(self, sensor: SensorSettings, profile_name: str, counters: SourceCounters) -> Source:
        from firmware_bridge.ble import BleSource  # noqa: PLC0415  # as above
        from firmware_bridge.profiles import profile  # noqa: PLC0415  # as above

        return BleSource(
            sensor.name,
            profile(profile_name),
            self._adapter(sensor.adapter),
            address=sensor.address,
            interval_s=sensor.interval_s,
            counters=counters,
            tap=self._tap_of(sensor, profile_name),
        )

    def _replay(self, sensor: SensorSettings) -> Source:
        from firmware_bridge.replay_faults import parse_faults  # noqa: PLC0415  # as above
        from firmware_bridge.replay_source import (  # noqa: PLC0415  # as above
            RecordedSource,
            ReplayOrder,
        )

        loops = None if sensor.loop else 1
        order = ReplayOrder(sensor.speed, loops, parse_faults(sensor.faults), sensor.seed)
        return RecordedSource(sensor.name, Path(sensor.file), order)

    def _discovered(self, sensor: SensorSettings) -> Source:
        from firmware_bridge.backoff import Backoff  # noqa: PLC0415  # as above
        from firmware_bridge.discovered_source import DiscoveredSource  # noqa: PLC0415  # as above

        async def serial() -> tuple[str, ...]:
            from firmware_bridge.serial_discovery import line_trials  # noqa: PLC0415  # as above
            from firmware_bridge.serial_probe import identify_line  # noqa: PLC0415  # as above

            trials = line_trials((sensor.baudrate,) if sensor.baudrate else ())
            return await identify_line(
                sensor.port, trials, sensor=sensor.name, hub=self._serial_hub()
            )

        async def ble() -> tuple[str, ...]:
            from firmware_bridge.ble.ble_discovery import identify_peripheral  # noqa: PLC0415

            return await identify_peripheral(self._adapter(sensor.adapter), sensor.address)

        return DiscoveredSource(
            sensor.name,
            ble if sensor.kind == "ble" else serial,
            lambda name, counters: self._named(sensor, name, counters),
            Backoff(np.random.default_rng()),
        )

    def _serial_hub(self) -> SerialHub:
        if self._hub is None:
            from firmware_bridge.serial_hub import SerialHub  # noqa: PLC0415  # as above

            self._hub = SerialHub()
        return self._hub

    def _adapter(self, name: str) -> Adapter:
        if name not in self._adapters:
            self._adapters[name] = self._open_adapter(name)
        return self._adapters[name]


def _system_adapter(name: str) -> Adapter:
    from firmware_bridge.ble.system_adapter import (  # noqa: PLC0415  # as above
        open_system_adapter,
    )

    return open_system_adapter(name)
