"""What must hold of the settings of BLE sensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from broker.settings import SettingError, require_range
from firmware_bridge.profile import Access
from firmware_bridge.profiles import UnknownProfileError, profile

if TYPE_CHECKING:
    from edge_agent.sensor_settings import SensorSettings

_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
# A simulated adapter is for demonstrations; see perfuse.adapters.
_ADAPTER = re.compile(r"hci[0-9]{1,3}|virtual:[0-9.]{7,15}:[0-9]{1,5}")
_LONGEST_INTERVAL_S = 7 * 86_400.0


def require_ble(sensor: SensorSettings) -> None:
    """Check one BLE sensor.

    Raises:
        SettingError: a value that cannot be, by its key.
    """
    if sensor.profile != "auto":
        _require_ble_profile(sensor.profile)
    elif not sensor.address:
        raise SettingError("sensor.address", "says which sensor it is whose profile is found out")
    if sensor.port:
        raise SettingError("sensor.port", "is for serial sensors")
    if sensor.address and not _ADDRESS.fullmatch(sensor.address):
        raise SettingError("sensor.address", f"{sensor.address!r} is no Bluetooth address")
    if sensor.adapter and not _ADAPTER.fullmatch(sensor.adapter):
        raise SettingError("sensor.adapter", f"{sensor.adapter!r} is not like 'hci0'")
    require_range("sensor.interval_s", sensor.interval_s, 0, _LONGEST_INTERVAL_S)


def _require_ble_profile(name: str) -> None:
    if not name:
        raise SettingError("sensor.profile", 'a BLE sensor needs one; "auto" finds it out')
    try:
        found = profile(name)
    except UnknownProfileError as error:
        raise SettingError("sensor.profile", str(error)) from error
    if found.gatt is None or found.gatt.access is Access.READ:
        raise SettingError("sensor.profile", f"{found.name} has no values that come over BLE")


def require_apart(sensors: Sequence[SensorSettings]) -> None:
    """Check that no BLE sensor can take another's place when they come back in another order.

    Raises:
        SettingError: two of them could.
    """
    addresses = Counter(sensor.address.upper() for sensor in sensors if sensor.address)
    for address, count in addresses.items():
        if count > 1:
            raise SettingError("sensor.address", f"two sensors have {address}")
    named = [sensor for sensor in sensors if sensor.profile != "auto"]
    profiles = Counter(profile(sensor.profile).name for sensor in named)
    for sensor in named:
        if not sensor.address and profiles[profile(sensor.profile).name] > 1:
            raise SettingError("sensor.address", f"several sensors are {sensor.profile}; say which")
