"""An adapter whose controller is in another process's air, reached over TCP. For simulations alone.

The gateway's side of ``virtual_port``: bumble is the host, bleak's API is on top of it, and on top
of that is all that a real adapter has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bumble.core import BaseBumbleError
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address
from bumble.host import Host
from bumble.transport import open_transport
from bumble.transport.common import Transport

from firmware_bridge.ble.adapter import Adapter
from firmware_bridge.ble.bleak_radio import BleakLink, BleakRadio
from firmware_bridge.ble.radio import Advertisement
from firmware_bridge.errors import LinkError
from firmware_bridge.simulate.bleak_backend import bleak_backends
from firmware_bridge.simulate.virtual_air import GATEWAY_ADDRESS, bond_just_works

PREFIX = "virtual:"


def open_virtual_adapter(name: str) -> Adapter:
    """Return an adapter; nothing is connected before a sensor is read.

    Args:
        name: ``"virtual:HOST:PORT"``, of a ``VirtualPort``.
    """
    return Adapter(VirtualRadio(name.removeprefix(PREFIX)))


class VirtualRadio:
    """See :class:`firmware_bridge.ble.radio.Radio`; opens its controller when it is first used.

    Args:
        place: ``"HOST:PORT"``.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._opening = asyncio.Lock()
        self._transport: Transport | None = None
        self._radio: BleakRadio | None = None

    @asynccontextmanager
    async def scanning(self, heard: Callable[[Advertisement], None]) -> AsyncIterator[None]:
        """See :class:`firmware_bridge.ble.radio.Radio`."""
        radio = await self._opened()
        async with radio.scanning(heard):
            yield

    async def connect(
        self, found: Advertisement, *, bond: bool, dropped: Callable[[], None]
    ) -> BleakLink:
        """See :class:`firmware_bridge.ble.radio.Radio`."""
        radio = await self._opened()
        return await radio.connect(found, bond=bond, dropped=dropped)

    async def close(self) -> None:
        """Leave the air."""
        if self._transport is not None:
            await self._transport.close()
        self._transport = self._radio = None

    async def _opened(self) -> BleakRadio:
        async with self._opening:
            if self._radio is None:
                try:
                    self._radio = await self._open()
                except (BaseBumbleError, OSError) as error:
                    await self.close()
                    raise LinkError("open", f"{PREFIX}{self._place}: {error}") from error
            return self._radio

    async def _open(self) -> BleakRadio:
        self._transport = await open_transport(f"tcp-client:{self._place}")
        config = DeviceConfiguration(name="gateway", address=Address(GATEWAY_ADDRESS))
        host = Host(self._transport.source, self._transport.sink)
        device = Device(config=config, host=host)
        bond_just_works(device)
        await device.power_on()
        scanner, client = bleak_backends(device)
        return BleakRadio(scanner_backend=scanner, client_backend=client)
