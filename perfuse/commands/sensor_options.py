"""Which sensors a command reads: those of a configuration, or one named on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.options import whole

if TYPE_CHECKING:
    from edge_agent.sensor_settings import SensorSettings

EXAMPLES = """\
which sensor:
  --config agent.toml                       those of a gateway's configuration
  --port /dev/ttyUSB0 --profile nonin_df2   on a serial line; perfuse's own frame without --profile
  --port 0403:6015 --profile auto           on a USB adapter; finds out what it is
  --profile heart_rate                      over Bluetooth: the first that advertises it
"""


def add_sensor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which sensors."""
    group = parser.add_argument_group("sensors")
    group.add_argument("--config", type=Path, metavar="FILE.toml", help="those of this gateway")
    group.add_argument("--sensor", metavar="NAME", help="of these, only the one of this name")
    group.add_argument("--profile", default="", metavar="NAME", help="what it sends, or auto")
    group.add_argument("--port", default="", metavar="PORT", help="serial: a path or VID:PID")
    group.add_argument("--baudrate", type=whole(300, 4_000_000), default=0, metavar="N")
    group.add_argument("--parity", choices=("N", "E", "O"), default="")
    group.add_argument("--address", default="", metavar="ADDRESS", help="Bluetooth address")
    group.add_argument("--adapter", default="", metavar="hciN", help="Bluetooth adapter")


def chosen_sensors(options: argparse.Namespace) -> tuple[SensorSettings, ...]:
    """The sensors that the options say.

    Raises:
        ConfigurationError: the configuration cannot be used.
        SettingError: the options say no sensor, or one that cannot be.
    """
    from broker.settings import SettingError
    from edge_agent.sensor_settings import SensorSettings

    if options.config is None:
        if not options.port and not options.profile:
            raise SettingError("sensor", "say which: --config, --port or --profile (see --help)")
        return (
            SensorSettings(
                options.sensor or options.profile or "sensor",
                kind="serial" if options.port else "ble",
                port=options.port,
                profile=options.profile,
                baudrate=options.baudrate,
                parity=options.parity,
                address=options.address,
                adapter=options.adapter,
            ),
        )
    return _configured(options.config, options.sensor)


def _configured(config: Path, name: str | None) -> tuple[SensorSettings, ...]:
    from edge_agent.settings import AgentSettings
    from perfuse.configuration import ConfigurationError, load

    sensors = load(config, AgentSettings).sensor
    if name is not None:
        sensors = tuple(sensor for sensor in sensors if sensor.name == name)
    if not sensors:
        reason = f"has no sensor {name!r}" if name else "has no [[sensor]]"
        raise ConfigurationError(config, 0, reason)
    return sensors
