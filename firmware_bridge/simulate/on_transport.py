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

from firmware_bridge.errors import LinkError
from firmware_bridge.profile import Profile
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.virtual_air import bond_just_works


async def simulate_on(
    transport: str,
    profile: Profile[Any],
    address: str,
    values: Iterable[bytes],
    interval_s: float,
) -> None:
    """Be a sensor until the values end or the task is cancelled.

    A value is sent when somebody is subscribed; until then the next one waits.

    Args:
        transport: of the controller, as bumble names it, such as ``"usb:0"``.
        profile: one of Bluetooth.
        address: a static random one, such as ``"F1:00:00:00:00:07"``.
        values: of the profile's characteristic.
        interval_s: time between two of them.

    Raises:
        LinkError: the controller cannot be opened, or is lost.
        ValueError: the profile is not one of Bluetooth, or the address is none.
    """
    config = DeviceConfiguration(name=f"perfuse {profile.name}"[:20], address=Address(address))
    try:
        async with await open_transport(transport) as (source, sink):
            device = Device(config=config, host=Host(source, sink))
            bond_just_works(device)
            peripheral = Peripheral(device, profile)
            await peripheral.start()
            try:
                await _send(peripheral, values, interval_s)
            finally:
                await peripheral.leave()
    except (BaseBumbleError, OSError) as error:
        raise LinkError("simulate", f"{transport}: {error}") from error


async def _send(peripheral: Peripheral, values: Iterable[bytes], interval_s: float) -> None:
    for value in values:
        while not peripheral.subscribed:
            await asyncio.sleep(min(interval_s, 0.1))
        await peripheral.send(value)
        await asyncio.sleep(interval_s)
