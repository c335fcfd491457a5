"""``perfuse sensors list``: the profiles that can be read, or a gateway's sensors."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from edge_agent.sensor_settings import SensorSettings

_DESCRIPTION = """\
Without a configuration: every profile, and over what it comes. With one: the gateway's sensors,
what they send, where they are, and whether that place is there now.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "list",
        help="profiles that can be read, or a gateway's sensors",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a table."""
    if options.config is None:
        print_table(("PROFILE", "OVER", "WHAT"), _profiles())
    else:
        from edge_agent.settings import AgentSettings
        from perfuse.configuration import load

        sensors = load(options.config, AgentSettings).sensor
        print_table(("SENSOR", "KIND", "PROFILE", "WHERE", "NOW"), map(_row, sensors))
    return ExitCode.OK


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of text under each other."""
    table = [tuple(head), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())


def _profiles() -> Iterable[Sequence[str]]:
    from firmware_bridge.profile import Access
    from firmware_bridge.profiles import profile, profile_names
    from firmware_bridge.stream_decoder import OWN_FRAME

    for name in profile_names():
        found = profile(name)
        over = []
        if found.serial is not None:
            link = found.serial
            over.append(f"serial {link.baud} 8{link.parity}{link.stop_bits}")
        if name == OWN_FRAME:
            over.append("serial 115200 8N1")
        if found.gatt is not None and found.gatt.access is not Access.READ:
            over.append("BLE")
        yield name, ", ".join(over) or "decode only", found.title


def _row(sensor: SensorSettings) -> Sequence[str]:
    from firmware_bridge.stream_decoder import OWN_FRAME

    profile = sensor.profile or OWN_FRAME
    if sensor.kind == "replay":
        path = Path(sensor.file)
        return sensor.name, "replay", _recorded(path), sensor.file, _there(path.exists())
    if sensor.kind == "ble":
        return sensor.name, "ble", profile, sensor.address or "the first heard", "see scan"
    return sensor.name, "serial", profile, sensor.port, _port_now(sensor.port)


def _recorded(path: Path) -> str:
    from firmware_bridge.errors import RecordingError
    from firmware_bridge.raw_recording_file import read_header

    try:
        return read_header(path).profile
    except RecordingError:
        return "?"


def _port_now(address: str) -> str:
    from firmware_bridge.serial_address import is_usb, resolve
    from firmware_bridge.serial_line import system_ports

    if not is_usb(address):
        return _there(Path(address).exists())
    try:
        return resolve(address, system_ports())
    except OSError as error:
        return str(error)


def _there(there: bool) -> str:
    return "there" if there else "not there"
