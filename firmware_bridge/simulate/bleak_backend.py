"""bleak's own API over a simulated adapter, by the interface that bleak has for backends.

scanner, client = bleak_backends(await air.gateway())
radio = BleakRadio(scanner_backend=scanner, client_backend=client)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic
from bumble.gatt_client import CharacteristicProxy

_SERVICE_LISTS = (
    (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, 2),
    (AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, 2),
    (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, 16),
    (AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, 16),
)
_PROPERTIES: tuple[tuple[Characteristic.Properties, CharacteristicPropertyName], ...] = (
    (Characteristic.Properties.READ, "read"),
    (Characteristic.Properties.WRITE, "write"),
    (Characteristic.Properties.WRITE_WITHOUT_RESPONSE, "write-without-response"),
    (Characteristic.Properties.NOTIFY, "notify"),
    (Characteristic.Properties.INDICATE, "indicate"),
)
_DEFAULT_MTU = 23
_MTU = 517


def bleak_backends(adapter: Device) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """Backends for BleakScanner and BleakClient that use a simulated adapter, powered on."""

    class Scanner(BumbleScanner):
        device = adapter

    class Client(BumbleClient):
        device = adapter

    return Scanner, Client


class BumbleScanner(BaseBleakScanner):
    """Scans with the adapter that a subclass names."""

    device: Device

    def __init__(
        self, detection_callback: Any, service_uuids: list[str] | None, *_: Any, **__: Any
    ) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        """Begin."""
        self.seen_devices = {}
        self.device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        await self.device.start_scanning(filter_duplicates=False)

    async def stop(self) -> None:
        """End."""
        self.device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        await self.device.stop_scanning()

    def _heard(self, heard: Advertisement) -> None:
        address = heard.address.to_string(with_type_qualifier=False)
        name = _name(heard.data)
        uuids = _services(heard.data)
        if not self.is_allowed_uuid(uuids):
            return
        data = AdvertisementData(name, {}, {}, uuids, None, heard.rssi, ())
        device = self.create_or_update_device(address, address, name, heard.address, data)
        self.call_detection_callbacks(device, data)


class BumbleClient(BaseBleakClient):
    """Connects with the adapter that a subclass names."""

    device: Device

    def __init__(self, address_or_ble_device: BLEDevice | str, **kwargs: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=kwargs["disconnected_callback"],
            timeout=kwargs["timeout"],
        )
        if not isinstance(address_or_ble_device, BLEDevice):
            raise BleakError("the simulated adapter connects to what it has heard")
        self._target = address_or_ble_device.details
        self._connection: Connection | None = None
        self._peer: Peer | None = None

    @property
    def name(self) -> str:
        """Address of the peripheral."""
        return self.address

    @property
    def mtu_size(self) -> int:
        """Negotiated MTU."""
        return _DEFAULT_MTU if self._connection is None else self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        """Whether there is a link."""
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect, bond if asked, and discover everything."""
        try:
            connection = await self.device.connect(
                self._target, timeout=kwargs.get("timeout", self._timeout)
            )
            self._connection = connection
            connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
            if pair:
                await self.pair()
            self._peer = Peer(connection)
            # BlueZ asks for as much; without asking, a notification holds 20 octets.
            await self._peer.request_mtu(_MTU)
            await self._peer.discover_all()  # type: ignore[no-untyped-call]  # bumble's gap
        except BaseException as error:
            await self.disconnect()
            if isinstance(error, BaseBumbleError):
                raise BleakError(str(error)) from error
            raise
        self.services = _collection(self._peer)

    async def disconnect(self) -> None:
        """End the link."""
        if self._connection is not None:
            await self._connection.disconnect()

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        """Encrypt with the keys of the bond, or bond."""
        assert self._connection is not None
        keystore = self.device.keystore
        assert keystore is not None
        if await keystore.get(str(self._connection.peer_address)):
            await self._connection.encrypt()
        else:
            await self._connection.pair()

    async def unpair(self) -> None:
        """Forget the bond."""
        keystore = self.device.keystore
        assert keystore is not None
        await keystore.delete(str(self._target))

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, **_kwargs: Any
    ) -> bytearray:
        """Read a value."""
        return bytearray(await _proxy(characteristic).read_value())

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, **_kwargs: Any
    ) -> bytearray:
        """Not simulated."""
        raise BleakError(f"no descriptor {descriptor.handle}")

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write a value."""
        await _proxy(characteristic).write_value(bytes(data), with_response=response)

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Not simulated."""
        raise BleakError(f"no descriptor {descriptor.handle}")

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_kwargs: Any
    ) -> None:
        """Subscribe."""
        await _proxy(characteristic).subscribe(lambda value: callback(bytearray(value)))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        await _proxy(characteristic).unsubscribe(force=True)

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = None
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()


def _name(data: AdvertisingData) -> str | None:
    octets = data.get(AdvertisingData.COMPLETE_LOCAL_NAME, raw=True)
    return None if octets is None else octets.decode(errors="replace")


def _services(data: AdvertisingData) -> list[str]:
    octets = [
        (size, listed) for kind, size in _SERVICE_LISTS for listed in data.get_all(kind, raw=True)
    ]
    return [
        _uuid_text(UUID.from_bytes(listed[at : at + size]))
        for size, listed in octets
        for at in range(0, len(listed) - size + 1, size)
    ]


def _collection(peer: Peer) -> BleakGATTServiceCollection:
    collection = BleakGATTServiceCollection()
    for found in peer.services:
        service = BleakGATTService(found, found.handle, _uuid_text(found.uuid))
        collection.add_service(service)
        for proxy in found.characteristics:
            names = [name for bit, name in _PROPERTIES if proxy.properties & bit]
            collection.add_characteristic(
                BleakGATTCharacteristic(
                    proxy, proxy.handle, _uuid_text(proxy.uuid), names, _max_write(peer), service
                )
            )
    return collection


def _max_write(peer: Peer) -> Callable[[], int]:
    return lambda: peer.connection.att_mtu - 3


def _proxy(characteristic: BleakGATTCharacteristic) -> CharacteristicProxy[bytes]:
    proxy: CharacteristicProxy[bytes] = characteristic.obj
    return proxy


def _uuid_text(uuid: UUID) -> str:
    return normalize_uuid_str(uuid.to_hex_str("-"))
