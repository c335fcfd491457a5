"""``perfuse sensors simulate``: be a sensor, on a pseudo-terminal or a Bluetooth controller."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfuse.commands.missing import MissingExtraError
from perfuse.commands.options import Commands, number, whole
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from firmware_bridge.profile import Profile
    from firmware_bridge.recording_frames import TimedFrame

_DESCRIPTION = """\
Be a sensor, for a gateway to find and read: with plausible, seeded values, or with recorded ones.
A serial sensor is a pseudo-terminal that sends the profile's own bytes. Nothing is sent while
nobody has it open, nor before a sensor that waits for a command has heard it; it ends with a
signal, or when its reader leaves after the last frame.
A Bluetooth LE sensor needs the extra "sim" and a controller that no other program uses.
"""
_EPILOG = """\
A TRANSPORT is named as bumble names it: usb:0, hci-socket:0, serial:/dev/ttyACM0,
tcp-client:127.0.0.1:9000 and others.

A recording is a CSV file whose first line names its columns: "seconds" first, then channels as
name or name/unit, and "label" last where it is known what the wearer did. It can be sent as
  bci_5byte blood_pressure contec_5byte contec_9byte health_thermometer healthypi heart_rate
  nonin_df2 openbci_cyton perfuse_frame pulse_oximeter_continuous;
these have a model only, and no recording:
  battery cgm cgm_e2e_crc glucose healthypi5 polar_acc polar_ecg polar_gyro polar_ppg polar_ppi
  weight

  perfuse sensors simulate --profile contec_5byte --pty /tmp/oximeter
  perfuse sensors simulate --profile perfuse_frame --pty /tmp/watch --recording walk.csv
  perfuse sensors simulate --profile heart_rate --transport usb:0
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "simulate",
        help="be a sensor",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", required=True, metavar="NAME")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "--pty", type=Path, metavar="PATH", help="be a serial sensor that is opened at this path"
    )
    place.add_argument("--transport", metavar="TRANSPORT", help="be a Bluetooth sensor there")
    parser.add_argument("--address", default="F1:00:00:00:00:01", metavar="ADDRESS")
    parser.add_argument(
        "--recording", type=Path, metavar="FILE.csv", help="send this instead of a model's values"
    )
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N")
    parser.add_argument(
        "--speed", type=number(0.01, 1000), default=1.0, metavar="X", help="1 is real time"
    )
    parser.add_argument(
        "--count", type=whole(0, 10**9), default=0, metavar="N", help="frames to send; 0 for all"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Send until the frames end or a signal comes."""
    from firmware_bridge.profiles import profile

    found = profile(options.profile)
    try:
        sensor = _sensor(options, found, _frames(options, found.name))
    except (LookupError, ValueError) as error:
        print(f"perfuse sensors simulate: {error}", file=sys.stderr)
        return ExitCode.USAGE
    from perfuse.service import run_until_signal

    run_until_signal(lambda stop: _until(stop, sensor, found.name))
    return ExitCode.OK


def _frames(options: argparse.Namespace, name: str) -> Iterator[TimedFrame]:
    from itertools import islice

    import numpy as np

    from firmware_bridge.simulate.sensor_frames import modelled_frames, recorded_frames

    if options.recording is not None:
        from firmware_bridge.session_csv import read_session_csv

        frames = recorded_frames(name, read_session_csv(options.recording))
    else:
        frames = modelled_frames(name, np.random.default_rng(options.seed), time.time_ns())
    return islice(frames, options.count or None)


def _sensor(
    options: argparse.Namespace, found: Profile[Any], frames: Iterator[TimedFrame]
) -> Callable[[], Awaitable[None]]:
    if options.pty is not None:
        return _on_pty(options, found, frames)
    if found.gatt is None:
        raise ValueError(f"{found.name} is no profile of Bluetooth; give it a --pty")
    try:
        from firmware_bridge.simulate.on_transport import simulate_on
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "bumble", "sim") from error
    return lambda: simulate_on(options.transport, found, options.address, frames, options.speed)


def _on_pty(
    options: argparse.Namespace, found: Profile[Any], frames: Iterator[TimedFrame]
) -> Callable[[], Awaitable[None]]:
    from firmware_bridge.errors import SourceError
    from firmware_bridge.gatt import perfuse_frame
    from firmware_bridge.replay_pty import PtyReplay
    from firmware_bridge.start_switch import StartSwitch

    if found.serial is None and found.name != perfuse_frame.NAME:
        raise ValueError(f"{found.name} is no profile of serial lines; give it a --transport")

    line = found.serial
    switch = StartSwitch(line.start, line.stop) if line is not None else StartSwitch()

    async def play() -> None:
        try:
            pty = PtyReplay(frames, speed=options.speed, link=options.pty, switch=switch)
        except OSError as error:
            raise SourceError("simulate", f"{options.pty}: {error.strerror}") from error
        with pty:
            await pty.run()
            # Pulling the plug now would lose what the reader has not read yet.
            await pty.reader_left()

    return play


async def _until(stop: asyncio.Event, sensor: Callable[[], Awaitable[None]], name: str) -> None:
    playing = asyncio.ensure_future(sensor())
    stopping = asyncio.create_task(stop.wait(), name=f"stop {name}")
    await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if playing.done():
        playing.result()
    playing.cancel()
    await asyncio.wait({playing, stopping})
