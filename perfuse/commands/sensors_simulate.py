"""``perfuse sensors simulate``: be a Bluetooth sensor on a controller of this machine."""

from __future__ import annotations

import argparse
import asyncio
import sys

from perfuse.commands.missing import MissingExtraError
from perfuse.commands.options import Commands, number, whole
from perfuse.exit_codes import ExitCode

_DESCRIPTION = """\
Be a Bluetooth LE sensor with plausible, seeded values, for a gateway to find and read. It needs the
extra "sim" and a controller that no other program uses.
"""
_EPILOG = """\
A TRANSPORT is named as bumble names it: usb:0, hci-socket:0, serial:/dev/ttyACM0,
tcp-client:127.0.0.1:9000 and others.

  perfuse sensors simulate --profile heart_rate --transport usb:0
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "simulate",
        help="be a Bluetooth sensor",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", required=True, metavar="NAME")
    parser.add_argument("--transport", required=True, metavar="TRANSPORT")
    parser.add_argument("--address", default="F1:00:00:00:00:01", metavar="ADDRESS")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N")
    parser.add_argument(
        "--speed", type=number(0.01, 1000), default=1.0, metavar="X", help="1 is real time"
    )
    parser.add_argument(
        "--count", type=whole(0, 10**9), default=0, metavar="N", help="values to send; 0 for ever"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Send until the values end or a signal comes."""
    from itertools import islice

    import numpy as np

    from firmware_bridge.profiles import profile
    from perfuse.service import run_until_signal

    try:
        from firmware_bridge.simulate.on_transport import simulate_on
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "bumble", "sim") from error
    from firmware_bridge.simulate.physiology import model, model_values

    found = profile(options.profile)
    try:
        modelled = model(found.name)
    except LookupError as error:
        print(f"perfuse sensors simulate: {error}", file=sys.stderr)
        return ExitCode.USAGE
    values = islice(
        model_values(found.name, np.random.default_rng(options.seed)), options.count or None
    )

    async def serve(stop: asyncio.Event) -> None:
        interval_s = modelled.interval_s / options.speed
        sensor = asyncio.create_task(
            simulate_on(options.transport, found, options.address, values, interval_s),
            name=f"simulated {found.name}",
        )
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({sensor, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if sensor.done():
            sensor.result()
        sensor.cancel()
        await asyncio.wait({sensor, stopping})

    run_until_signal(serve)
    return ExitCode.OK
