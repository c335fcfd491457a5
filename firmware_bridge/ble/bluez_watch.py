"""Notices that bluetoothd left the message bus, or that the bus itself died.

bleak calls nobody back when bluetoothd vanishes and is not restarted at once: its links look
connected for ever. A bluetoothd that came back is offered our agent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from firmware_bridge.backoff import Backoff
from firmware_bridge.ble.bluez_agent import answer_agent, offer_agent

_logger = logging.getLogger(__name__)

_BLUEZ = "org.bluez"
_BUS = "org.freedesktop.DBus"
_RULE = (
    f"type='signal',sender='{_BUS}',interface='{_BUS}',member='NameOwnerChanged',arg0='{_BLUEZ}'"
)


class BluezWatch:
    """Watches who owns ``org.bluez`` on the system bus, as DBUS_SYSTEM_BUS_ADDRESS names it.

    Args:
        backoff: waits before the bus is connected again.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff

    async def run(self, lost: Callable[[], None]) -> None:
        """Call ``lost`` whenever bluetoothd or the bus is gone, until cancelled."""
        while True:
            try:
                if await self._watch_until_bus_dies(lost):
                    lost()
            except Exception as error:  # noqa: BLE001  # what dbus-fast raises has no common root
                _logger.debug("the system bus is not reached: %s", error)
            await asyncio.sleep(self._backoff.next_s())

    async def _watch_until_bus_dies(self, lost: Callable[[], None]) -> bool:
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            await bus.connect()
            here = asyncio.Event()
            bus.add_message_handler(_on_owner_changed(lost, here.set))
            bus.add_message_handler(answer_agent)
            await bus.call(
                Message(
                    destination=_BUS,
                    path="/org/freedesktop/DBus",
                    interface=_BUS,
                    member="AddMatch",
                    signature="s",
                    body=[_RULE],
                )
            )
            self._backoff.reset()
            here.set()
            offering = asyncio.create_task(_offer_agent(bus, here), name="bluez agent")
            try:
                # It raises what broke the connection; a daemon that ended in order is no error.
                with suppress(Exception):
                    await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # compiled
            finally:
                offering.cancel()
                await asyncio.wait({offering})
            return True
        finally:
            bus.disconnect()


async def _offer_agent(bus: MessageBus, here: asyncio.Event) -> None:
    """Offer our agent now and to every bluetoothd that comes; a bus that dies is seen by others."""
    with suppress(Exception):
        while True:
            await here.wait()
            here.clear()
            await offer_agent(bus)


def _on_owner_changed(
    lost: Callable[[], None], came: Callable[[], None]
) -> Callable[[Message], None]:
    def handle(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name, _old, new = message.body
            if name == _BLUEZ:
                came() if new else lost()

    return handle
