"""A simulated sensor: a GATT server with one profile's service that is connected and subscribed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from bumble.att import Attribute
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, Service

from firmware_bridge.profile import Access, GattLink, Profile

# Fast, so that a test does not wait for advertisements; real sensors take 20 ms to 10 s.
_ADVERTISING_MS = 30.0
_FLAGS = bytes((0x06,))  # general discoverable, no BR/EDR (Core Supplement, A 1.3)


class Peripheral:
    """One sensor of a profile.

    Args:
        device: made for it, such as by ``VirtualAir.device``; not powered on.
        profile: any with a ``gatt``.

    Raises:
        ValueError: the profile is not one of Bluetooth.
    """

    def __init__(self, device: Device, profile: Profile[Any]) -> None:
        if profile.gatt is None:
            raise ValueError(f"{profile.name} is no profile of Bluetooth")
        self._gatt = profile.gatt
        self._device = device
        self._value = _characteristic(profile.gatt)
        self._controls = [
            Characteristic[bytes](
                uuid,
                Characteristic.Properties.WRITE | Characteristic.Properties.INDICATE,
                Attribute.Permissions.WRITEABLE,
                b"",
            )
            for uuid in dict.fromkeys(uuid for uuid, _ in profile.gatt.start)
        ]

    @property
    def address(self) -> str:
        """Its address, as a gateway hears it."""
        return str(self._device.random_address).split("/", maxsplit=1)[0]

    @property
    def subscribed(self) -> bool:
        """Whether somebody would get a value that is sent now."""
        return any(self._may_have(connection) for connection in self._connections())

    async def start(self) -> None:
        """Power on and advertise; again after every disconnect, as sensors do."""
        self._device.add_service(Service(self._gatt.service, [self._value, *self._controls]))
        await self._device.power_on()
        await self.advertise()

    async def advertise(self) -> None:
        """Be found."""
        await self._device.start_advertising(
            auto_restart=True,
            advertising_data=_advertisement(self._gatt.service),
            scan_response_data=bytes(
                AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, self._device.name.encode())])
            ),
            advertising_interval_min=_ADVERTISING_MS,
            advertising_interval_max=_ADVERTISING_MS,
        )

    async def send(self, value: bytes) -> None:
        """Notify or indicate a value to whoever subscribed and, where asked, bonded."""
        for connection in self._connections():
            if not self._may_have(connection):
                continue
            if self._gatt.access is Access.INDICATE:
                await self._device.indicate_subscriber(connection, self._value, value)
            else:
                await self._device.notify_subscriber(connection, self._value, value)

    async def feed(self, values: Iterable[bytes], interval_s: float) -> None:
        """Send values, one each ``interval_s``; those that nobody subscribed for are lost."""
        for value in values:
            await self.send(value)
            await asyncio.sleep(interval_s)

    async def drop(self) -> None:
        """End its links, and advertise again."""
        for connection in self._connections():
            await connection.disconnect()

    async def leave(self) -> None:
        """End its links and be found no more until ``advertise``."""
        await self._device.stop_advertising()
        await self.drop()
        await self._device.stop_advertising()

    def _connections(self) -> list[Connection]:
        return list(self._device.connections.values())

    def _may_have(self, connection: Connection) -> bool:
        server = self._device.gatt_server
        bits = server.subscribers.get(connection, {}).get(self._value.handle, b"")
        return any(bits) and (connection.is_encrypted or not self._gatt.bond)


def _characteristic(gatt: GattLink) -> Characteristic[bytes]:
    properties = {
        Access.NOTIFY: Characteristic.Properties.NOTIFY,
        Access.INDICATE: Characteristic.Properties.INDICATE,
        Access.READ: Characteristic.Properties.READ,
    }[gatt.access]
    permissions = Attribute.Permissions.READABLE
    if gatt.bond:
        permissions |= Attribute.Permissions.READ_REQUIRES_ENCRYPTION
    return Characteristic(gatt.characteristic, properties, permissions, b"")


def _advertisement(service: str) -> bytes:
    uuid = UUID(service)
    kind = (
        AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS
        if len(uuid.to_bytes()) == 2
        else AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
    )
    return bytes(AdvertisingData([(AdvertisingData.FLAGS, _FLAGS), (kind, uuid.to_bytes())]))
