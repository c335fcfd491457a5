"""A simulated sensor on a Bluetooth controller, real or not, that other processes can hear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from bumble.core import BaseBumbleError
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.host import Host
from bumble.transport import open_transport
from bumble.transport.common import Transport

from firmware_bridge.errors import LinkError
from firmware_bridge.profile import Profile
from firmware_bridge.recording_frames import TimedFrame
from firmware_bridge.replay_pace import ReplayPace
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.virtual_air import bond_just_works

_LOOK_S = 0.02


async def simulate_on(
    transport: str,
    profile: Profile[Any],
    address: str,
    frames: Iterable[TimedFrame],
    speed: float,
) -> None:
    """Be a sensor until the frames end or the task is cancelled.

    A frame is sent when somebody is subscribed; until then the next one waits.

    Args:
        transport: of the controller, as bumble names it, such as ``"usb:0"``.
        profile: one of Bluetooth.
        address: a static random one, such as ``"F1:00:00:00:00:07"``.
        frames: values of the profile's characteristic and when they are due.
        speed: 1 is real time.

    Raises:
        LinkError: the controller cannot be opened, or is lost.
        ValueError: the profile is not one of Bluetooth, or the address is none.
    """
    config = DeviceConfiguration(name=f"perfuse {profile.name}"[:20], address=Address(address))
    try:
        async with await _open(transport) as (source, sink):
            device = Device(config=config, host=Host(source, sink))
            bond_just_works(device)
            peripheral = Peripheral(device, profile)
            await peripheral.start()
            try:
                await send_frames(peripheral, frames, speed)
            finally:
                await peripheral.leave()
    except (BaseBumbleError, OSError) as error:
        raise LinkError("simulate", f"{transport}: {error}") from error


async def _open(transport: str) -> Transport:
    try:
        return await open_transport(transport)
    except Exception as error:
        # Each kind of transport lets through what its driver raises, such as libusb's errors.
        raise LinkError("simulate", f"{transport}: {error}") from error


async def send_frames(peripheral: Peripheral, frames: Iterable[TimedFrame], speed: float) -> None:
    """Send frames at their time; while nobody is subscribed they stand still."""
    clock = asyncio.get_running_loop().time
    pace = ReplayPace(speed, clock())
    for due_ns, frame in frames:
        pace.hold(await _subscribed(peripheral))
        await asyncio.sleep(pace.delay_s(due_ns, clock()))
        # A link that broke while this one waited gets it when it is back.
        pace.hold(await _subscribed(peripheral))
        await peripheral.send(frame)


async def _subscribed(peripheral: Peripheral) -> float:
    """Wait until somebody is subscribed; the seconds that it took."""
    clock = asyncio.get_running_loop().time
    began_s = clock()
    while not peripheral.subscribed:
        await asyncio.sleep(_LOOK_S)
    return clock() - began_s
