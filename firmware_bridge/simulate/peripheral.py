"""A simulated sensor: a GATT server with one profile's service that is connected and subscribed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from bumble.att import Attribute, AttributeValue
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
        answer: what a control point indicates when it is written, or None for nothing.

    Attributes:
        requests: what was written to its control points, in order.

    Raises:
        ValueError: the profile is not one of Bluetooth.
    """

    def __init__(
        self,
        device: Device,
        profile: Profile[Any],
        answer: Callable[[bytes], bytes | None] = lambda _: None,
    ) -> None:
        if profile.gatt is None:
            raise ValueError(f"{profile.name} is no profile of Bluetooth")
        self._gatt = profile.gatt
        self._device = device
        self._value = _characteristic(profile.gatt)
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._present = False
        self.requests: list[bytes] = []
        self._controls = [
            self._control(uuid) for uuid in dict.fromkeys(uuid for uuid, _ in profile.gatt.start)
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
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        await self._device.power_on()
        await self.advertise()

    async def advertise(self) -> None:
        """Be found."""
        self._present = True
        await self._device.start_advertising(
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
            for piece in self._pieces(connection, value):
                if self._gatt.access is Access.INDICATE:
                    await self._device.indicate_subscriber(connection, self._value, piece)
                else:
                    await self._device.notify_subscriber(connection, self._value, piece)

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
        self._present = False
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._device.stop_advertising()
        await self.drop()

    def _on_connection(self, connection: Connection) -> None:
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)

    def _on_disconnection(self, _reason: int) -> None:
        if self._present:
            self._begin(self.advertise(), "advertise")

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _control(self, uuid: str) -> Characteristic[bytes]:
        control = Characteristic[bytes](
            uuid,
            Characteristic.Properties.WRITE | Characteristic.Properties.INDICATE,
            Attribute.Permissions.WRITEABLE,
        )
        control.value = AttributeValue(write=partial(self._written, control))
        return control

    def _written(
        self, control: Characteristic[bytes], connection: Connection, value: bytes
    ) -> None:
        self.requests.append(value)
        answer = self._answer(value)
        if answer is not None:
            # Indicated once the write is answered: a peripheral has one procedure at a time.
            indicating = self._device.indicate_subscriber(connection, control, answer)
            self._begin(indicating, "control point")

    def _connections(self) -> list[Connection]:
        return list(self._device.connections.values())

    def _pieces(self, connection: Connection, value: bytes) -> list[bytes]:
        # Opcode and handle of a notification take three octets (Core 5.3, Vol 3, Part F, 3.4.7.1).
        size = connection.att_mtu - 3
        if not self._gatt.pieces or not value:
            return [value]
        return [value[at : at + size] for at in range(0, len(value), size)]

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
