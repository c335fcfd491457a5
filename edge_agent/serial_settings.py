"""What must hold of the settings of serial sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.settings import SettingError, require_range
from firmware_bridge.serial_address import require_address
from firmware_bridge.stream_decoder import is_own_frame

if TYPE_CHECKING:
    from edge_agent.sensor_settings import SensorSettings

_PARITIES = ("", "N", "E", "O")
_SLOWEST_BAUD, _FASTEST_BAUD = 300, 4_000_000


def require_serial(sensor: SensorSettings) -> None:
    """Check one serial sensor.

    Raises:
        SettingError: a value that cannot be, by its key.
    """
    if not sensor.port:
        raise SettingError("sensor.port", "a serial sensor needs one")
    try:
        require_address(sensor.port)
    except ValueError as error:
        raise SettingError("sensor.port", str(error)) from error
    if sensor.baudrate:
        require_range("sensor.baudrate", sensor.baudrate, _SLOWEST_BAUD, _FASTEST_BAUD)
    if sensor.parity not in _PARITIES:
        raise SettingError("sensor.parity", f"{sensor.parity!r} is not one of N, E, O")
    require_range("sensor.stop_bits", sensor.stop_bits, 0, 2)
    if not is_own_frame(sensor.profile) and sensor.profile != "auto":
        _require_serial_profile(sensor.profile)


def _require_serial_profile(name: str) -> None:
    # A gateway of our own sensors alone does not pay for the profiles' memory.
    from firmware_bridge.profiles import UnknownProfileError, profile  # noqa: PLC0415  # as above

    try:
        found = profile(name)
    except UnknownProfileError as error:
        raise SettingError("sensor.profile", str(error)) from error
    if found.serial is None:
        raise SettingError("sensor.profile", f"{found.name} does not come over a serial line")
