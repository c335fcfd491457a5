"""Enough of bluetoothd for bleak: one adapter, one sensor, and faults to order."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from firmware_bridge.profile import Access, GattLink

_ADAPTER = "/org/bluez/hci0"
_ADAPTER1 = "org.bluez.Adapter1"
_DEVICE1 = "org.bluez.Device1"
_SERVICE1 = "org.bluez.GattService1"
_CHARACTERISTIC1 = "org.bluez.GattCharacteristic1"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_OBJECTS = "org.freedesktop.DBus.ObjectManager"
_TICK_S = 0.02

Tree = dict[str, dict[str, dict[str, Variant]]]


class FakeBluez:
    """One bluetoothd; ``start`` makes it own org.bluez.

    Attributes:
        next_value: makes the value that the sensor notifies every tick.
        mute: the sensor is connected and sends nothing.
        hang: Connect never answers.
        errors: method name -> names of the errors that its next calls give.
        calls: names of the methods called, in order.
    """

    def __init__(self, gatt: GattLink, address: str, next_value: Callable[[], bytes]) -> None:
        self._gatt = gatt
        self._address = address
        self._device = f"{_ADAPTER}/dev_{address.replace(':', '_')}"
        self._service = f"{self._device}/service0010"
        self._characteristic = f"{self._service}/char0011"
        self.next_value = next_value
        self.mute = False
        self.hang = False
        self.errors: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.agent: str | None = None
        self._discovering = False
        self._notifying = False
        self._tree: Tree = {}
        self._bus: MessageBus | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return bool(self._tree[self._device][_DEVICE1]["Connected"].value)

    async def start(self) -> None:
        self._discovering = self._notifying = False
        self.agent = None
        self._tree = {_ADAPTER: {_ADAPTER1: self._adapter_properties()}}
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        self._bus.add_message_handler(self._handle)
        await self._bus.request_name("org.bluez")
        self._add(_ADAPTER, _ADAPTER1, self._adapter_properties())
        self._add(self._device, _DEVICE1, self._device_properties())
        self._ticking = asyncio.create_task(self._tick(), name="fake bluez")

    async def vanish(self) -> None:
        """Leave the bus without a word, as a daemon that was killed."""
        assert self._ticking is not None
        assert self._bus is not None
        self._ticking.cancel()
        await asyncio.wait({self._ticking})
        self._bus.disconnect()
        with suppress(Exception):
            await self._bus.wait_for_disconnect()

    async def ask_agent(self, member: str, signature: str, body: list[object]) -> str | None:
        """Ask whoever registered as the agent; the name of the error that it answers with."""
        assert self._bus is not None
        call = Message(
            destination=self.agent,
            path="/org/perfuse/agent",
            interface="org.bluez.Agent1",
            member=member,
            signature=signature,
            body=body,
        )
        return (await self._bus.call(call)).error_name

    def drop(self) -> None:
        """The sensor goes out of range."""
        self._notifying = False
        self._change(self._device, _DEVICE1, Connected=False, ServicesResolved=False)

    async def _tick(self) -> None:
        rssi = -60
        while True:
            await asyncio.sleep(_TICK_S)
            if self._discovering and not self.connected:
                rssi = -61 if rssi == -60 else -60
                self._change(self._device, _DEVICE1, RSSI=Variant("n", rssi))
            if self.connected and self._notifying and not self.mute:
                value = Variant("ay", self.next_value())
                self._change(self._characteristic, _CHARACTERISTIC1, Value=value)

    def _handle(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        member = message.member
        assert member is not None
        self.calls.append(member)
        answers: dict[str, Callable[[], None]] = {
            "SetDiscoveryFilter": lambda: None,
            "StartDiscovery": self._start_discovery,
            "StopDiscovery": self._stop_discovery,
            "Set": lambda: None,
            "Pair": self._pair,
            "Connect": self._connect,
            "Disconnect": self.drop,
            "RegisterAgent": lambda: self._register(message.sender),
            "RequestDefaultAgent": lambda: None,
            "StartNotify": self._start_notify,
            "StopNotify": lambda: None,
        }
        if member == "Pair" and self.agent is None:
            self.errors.setdefault(member, []).append("org.bluez.Error.AuthenticationFailed")
        if self.errors.get(member):
            return Message.new_error(message, self.errors[member].pop(0), "to order")
        if member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._tree])
        if member not in answers:
            return None
        if member == "Connect" and self.hang:
            return None
        answers[member]()
        return Message.new_method_return(message)

    def _start_discovery(self) -> None:
        self._discovering = True

    def _stop_discovery(self) -> None:
        self._discovering = False

    def _start_notify(self) -> None:
        self._notifying = True

    def _register(self, agent: str | None) -> None:
        self.agent = agent

    def _pair(self) -> None:
        self._change(self._device, _DEVICE1, Paired=True)
        self._connect()

    def _connect(self) -> None:
        self._change(self._device, _DEVICE1, Connected=True)
        self._add(self._service, _SERVICE1, self._service_properties())
        self._add(self._characteristic, _CHARACTERISTIC1, self._characteristic_properties())
        self._change(self._device, _DEVICE1, ServicesResolved=True)

    def _add(self, path: str, interface: str, properties: dict[str, Variant]) -> None:
        self._tree.setdefault(path, {})[interface] = properties
        self._signal(
            "/", _OBJECTS, "InterfacesAdded", "oa{sa{sv}}", [path, {interface: properties}]
        )

    def _change(self, path: str, interface: str, **changed: Any) -> None:
        variants = {
            name: value if isinstance(value, Variant) else Variant("b", value)
            for name, value in changed.items()
        }
        self._tree[path][interface].update(variants)
        self._signal(path, _PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, variants, []])

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list) -> None:
        assert self._bus is not None
        self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )

    def _adapter_properties(self) -> dict[str, Variant]:
        return {
            "Address": Variant("s", "00:00:5E:00:53:01"),
            "Powered": Variant("b", True),
            "Roles": Variant("as", ["central"]),
        }

    def _device_properties(self) -> dict[str, Variant]:
        return {
            "Adapter": Variant("o", _ADAPTER),
            "Address": Variant("s", self._address),
            "Alias": Variant("s", "sensor"),
            "UUIDs": Variant("as", [self._gatt.service]),
            "Connected": Variant("b", False),
            "Paired": Variant("b", False),
            "ServicesResolved": Variant("b", False),
            "RSSI": Variant("n", -60),
        }

    def _service_properties(self) -> dict[str, Variant]:
        return {
            "Device": Variant("o", self._device),
            "UUID": Variant("s", self._gatt.service),
            "Primary": Variant("b", True),
        }

    def _characteristic_properties(self) -> dict[str, Variant]:
        flag = "indicate" if self._gatt.access is Access.INDICATE else "notify"
        return {
            "Service": Variant("o", self._service),
            "UUID": Variant("s", self._gatt.characteristic),
            "Flags": Variant("as", [flag]),
            "Value": Variant("ay", b""),
        }
