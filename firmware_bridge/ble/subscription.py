"""What makes a fresh link deliver a profile's values: subscriptions, and requests to begin."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.ble.radio import RadioLink
from firmware_bridge.errors import FrameError
from firmware_bridge.polar import control_point
from firmware_bridge.polar.pmd import CONTROL
from firmware_bridge.profile import GattLink


async def subscribe(
    link: RadioLink,
    gatt: GattLink,
    received: Callable[[bytes], None],
    negotiated: Callable[[float], None],
) -> None:
    """Subscribe to the values, then ask for them where the sensor waits to be asked.

    A control point that answers is subscribed before it is written, for sensors refuse a request
    whose answer nobody awaits (GLS 1.0, 3.3; Polar PMD).

    Args:
        link: connected, and bonded where the profile asks for it.
        gatt: where the values are.
        received: takes the values.
        negotiated: takes what a count is worth, where the sensor says so.

    Raises:
        LinkError: the sensor lacks the characteristic, refused, or the link broke.
    """
    await link.subscribe(gatt.characteristic, received)
    asked: set[str] = set()
    for characteristic, request in gatt.start:
        if characteristic not in asked and link.notifies(characteristic):
            await link.subscribe(characteristic, _answers(characteristic, negotiated))
        asked.add(characteristic)
        await link.write(characteristic, request)


def _answers(characteristic: str, negotiated: Callable[[float], None]) -> Callable[[bytes], None]:
    if characteristic != CONTROL:
        return lambda _: None

    def answered(value: bytes) -> None:
        try:
            answer = control_point.decode(value)
        except FrameError:
            return
        if answer.settings:
            negotiated(answer.factor)

    return answered
