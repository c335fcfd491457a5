"""A radio by way of bleak. The only module of the gateway that imports bleak."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.args.bluez import BlueZClientArgs, BlueZScannerArgs
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak_retry_connector import establish_connection

from firmware_bridge.ble.radio import Advertisement
from firmware_bridge.errors import LinkError

# The supervisor has its own backoff, and the adapter's other sensors wait meanwhile.
_ATTEMPTS = 2


class BleakRadio:
    """One adapter.

    Args:
        adapter: such as ``"hci1"``; the stack's default one when empty.
        scanner_backend: instead of the platform's.
        client_backend: instead of the platform's.
    """

    def __init__(
        self,
        adapter: str = "",
        *,
        scanner_backend: type[BaseBleakScanner] | None = None,
        client_backend: type[BaseBleakClient] | None = None,
    ) -> None:
        self._adapter = adapter
        self._scanner_backend = scanner_backend
        self._client_backend = client_backend

    @asynccontextmanager
    async def scanning(self, heard: Callable[[Advertisement], None]) -> AsyncIterator[None]:
        """See :class:`firmware_bridge.ble.radio.Radio`."""

        def detected(device: BLEDevice, data: AdvertisementData) -> None:
            heard(_advertisement(device, data))

        with _translated("scan"):
            scanner = BleakScanner(
                detected, bluez=self._scanner_args(), backend=self._scanner_backend
            )
            await scanner.start()
        try:
            yield
        except BaseException:
            # Whoever cancels must not get the stack's complaint instead.
            with suppress(LinkError), _translated("scan"):
                await scanner.stop()
            raise
        with _translated("scan"):
            await scanner.stop()

    async def connect(
        self, found: Advertisement, *, bond: bool, dropped: Callable[[], None]
    ) -> BleakLink:
        """See :class:`firmware_bridge.ble.radio.Radio`."""
        device = found.handle
        assert isinstance(device, BLEDevice)
        with _translated("connect"):
            client = await establish_connection(
                BleakClient,
                device,
                found.name or found.address,
                lambda _client: dropped(),
                max_attempts=_ATTEMPTS,
                # bleak's cache outlives the daemon that filled it.
                use_services_cache=False,
                pair=bond,
                bluez=self._client_args(),
                backend=self._client_backend,
            )
        return BleakLink(client)

    def _scanner_args(self) -> BlueZScannerArgs:
        return {"adapter": self._adapter} if self._adapter else {}

    def _client_args(self) -> BlueZClientArgs:
        return {"adapter": self._adapter} if self._adapter else {}


class BleakLink:
    """A connection; see :class:`firmware_bridge.ble.radio.RadioLink`. Made for one connection."""

    def __init__(self, client: BleakClient) -> None:
        self._client = client

    async def subscribe(self, characteristic: str, received: Callable[[bytes], None]) -> None:
        """Have values notified; BlueZ is asked by StartNotify, AcquireNotify broke devices."""

        def notified(_characteristic: object, value: bytearray) -> None:
            received(bytes(value))

        with _translated("subscribe"):
            await self._client.start_notify(
                characteristic, notified, bluez={"use_start_notify": True}
            )

    def notifies(self, characteristic: str) -> bool:
        """Whether the peripheral has that characteristic and notifies or indicates it."""
        with _translated("services"):
            found = self._client.services.get_characteristic(characteristic)
        return found is not None and not {"notify", "indicate"}.isdisjoint(found.properties)

    async def write(self, characteristic: str, value: bytes) -> None:
        """Write a value and wait for the peripheral's word."""
        with _translated("write"):
            await self._client.write_gatt_char(characteristic, value, response=True)

    async def disconnect(self) -> None:
        """End it."""
        with _translated("disconnect"):
            await self._client.disconnect()


def _advertisement(device: BLEDevice, data: AdvertisementData) -> Advertisement:
    return Advertisement(
        device.address.upper(),
        data.local_name or device.name,
        frozenset(uuid.lower() for uuid in data.service_uuids),
        data.rssi,
        device,
    )


@contextmanager
def _translated(doing: str) -> Iterator[Any]:
    try:
        yield
    except Exception as error:
        # Beside BleakError, bleak lets through what dbus-fast raises and its own KeyError,
        # AttributeError and AssertionError; whichever it was, this link is at its end.
        raise LinkError(doing, str(error) or type(error).__name__) from error
