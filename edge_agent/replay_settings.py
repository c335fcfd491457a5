"""What must hold of the settings of replayed sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.settings import SettingError, require_range
from firmware_bridge.replay_faults import parse_faults

if TYPE_CHECKING:
    from edge_agent.sensor_settings import SensorSettings


def require_replay(sensor: SensorSettings) -> None:
    """Check one replayed sensor.

    Raises:
        SettingError: a value that cannot be, by its key.
    """
    if not sensor.file:
        raise SettingError("sensor.file", "a replay needs one")
    if sensor.profile:
        raise SettingError("sensor.profile", "a recording knows its own")
    if not sensor.speed > 0:
        raise SettingError("sensor.speed", f"{sensor.speed} is not above 0")
    require_range("sensor.seed", sensor.seed, 0, 2**63 - 1)
    try:
        parse_faults(sensor.faults)
    except ValueError as error:
        raise SettingError("sensor.faults", str(error)) from error
