"""``perfuse sensors scan``: what is near: serial ports, and Bluetooth sensors that advertise."""

from __future__ import annotations

import argparse
import asyncio
import sys

from perfuse.commands.options import Commands, number
from perfuse.exit_codes import ExitCode

_DESCRIPTION = """\
Show the serial ports of this machine, and the Bluetooth sensors that advertise, with the profile
that each may have. With --probe every serial port is opened, and listened to with one line setting
after the other until its bytes fit a profile; commands that start sensors are sent to it.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "scan",
        help="sensors that are near",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--probe", action="store_true", help="find out what speaks on each port")
    parser.add_argument(
        "--port", action="append", metavar="PORT", help="only this one; may be given again"
    )
    parser.add_argument(
        "--seconds",
        type=number(0, 600),
        default=5.0,
        metavar="S",
        help="listen to Bluetooth; 0: no",
    )
    parser.add_argument("--adapter", default="", metavar="hciN", help="Bluetooth adapter")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, and print what there is."""
    asyncio.run(_scan(options))
    return ExitCode.OK


async def _scan(options: argparse.Namespace) -> None:
    from firmware_bridge.serial_address import PortInfo
    from firmware_bridge.serial_line import system_ports
    from perfuse.commands.sensors_list import print_table

    ports = [PortInfo(path) for path in options.port or ()] or list(system_ports())
    rows = []
    for port in ports:
        found = await _probe(port.path) if options.probe else "not probed"
        rows.append((port.path, port.usb or "-", found, port.title))
    print_table(("PORT", "USB", "PROFILE", "TITLE"), rows)
    if not rows:
        print("no serial ports")
    if options.seconds and not options.port:
        print()
        heard = await _listen(options.adapter, options.seconds)
        print_table(("ADDRESS", "RSSI", "PROFILE", "NAME"), heard)
        if not heard:
            print(f"no Bluetooth sensor advertised within {options.seconds:g} s")


async def _probe(path: str) -> str:
    from firmware_bridge.errors import SourceError
    from firmware_bridge.serial_discovery import line_trials
    from firmware_bridge.serial_probe import identify_line

    try:
        names = await identify_line(path, line_trials())
    except (OSError, SourceError) as error:
        return f"({getattr(error, 'reason', None) or error})"
    return " or ".join(names) or "nothing known"


async def _listen(adapter: str, seconds: float) -> list[tuple[str, str, str, str]]:
    from firmware_bridge.ble.ble_discovery import profiles_of_services
    from firmware_bridge.ble.bleak_radio import BleakRadio
    from firmware_bridge.ble.radio import Advertisement
    from firmware_bridge.errors import LinkError

    heard: dict[str, Advertisement] = {}

    def hear(found: Advertisement) -> None:
        heard[found.address] = found

    try:
        async with BleakRadio(adapter).scanning(hear):
            await asyncio.sleep(seconds)
    except LinkError as error:
        print(
            f"perfuse sensors scan: no Bluetooth, is bluetoothd running? {error.reason}",
            file=sys.stderr,
        )
    loudest = sorted(heard.values(), key=lambda found: -found.rssi_dbm)
    return [
        (
            found.address,
            f"{found.rssi_dbm} dBm",
            " ".join(profiles_of_services(found.services)) or "-",
            found.name or "",
        )
        for found in loudest
    ]
