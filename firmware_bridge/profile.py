"""What a sensor's profile is: a decoder, its encoder, and how the sensor is reached.

A profile module declares ``PROFILES``, a tuple of ``Profile``; ``firmware_bridge.profiles`` finds
it. Nothing else has to change when a sensor is added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival

M = TypeVar("M")
JsonFields = dict[str, Any]


class Access(StrEnum):
    """How a characteristic hands its value over."""

    NOTIFY = "notify"
    INDICATE = "indicate"
    READ = "read"


@dataclass(frozen=True, slots=True)
class GattLink:
    """Where a profile lives on a BLE peripheral.

    Attributes:
        service: 128-bit UUID of the service, lower case.
        characteristic: 128-bit UUID of the characteristic whose values the profile decodes.
        access: how those values come.
        bond: whether the service's specification asks for an encrypted link.
        start: (characteristic UUID, bytes) to write once subscribed, for sensors that wait.
        interval_s: longest time between two values of a sensor that is worn and works; None where
            silence is ordinary, as with a cuff or a scale.
        pieces: whether a value is any piece of a byte stream instead of a frame, so that a
            simulated sensor cuts what a link cannot carry at once.
    """

    service: str
    characteristic: str
    access: Access = Access.NOTIFY
    bond: bool = False
    start: tuple[tuple[str, bytes], ...] = ()
    interval_s: float | None = None
    pieces: bool = False


@dataclass(frozen=True, slots=True)
class SerialLink:
    """How a serial sensor is opened, started and cut into frames.

    Attributes:
        match: ``match(buffer, at)`` is the length of the frame that begins at ``at``, 0 while the
            buffer holds too little to tell, -1 where no frame begins. It never looks past the
            frame, so that frames do not depend on how the bytes were cut.
        longest: length of the longest frame; what the resynchroniser may hold back.
        baud: bits per second.
        parity: ``"N"``, ``"E"`` or ``"O"``.
        stop_bits: 1 or 2.
        start: bytes that make the sensor stream; empty for sensors that always do.
        stop: bytes that end it.
        keep_alive: bytes to repeat every ``keep_alive_s`` seconds, or the sensor falls silent.
        keep_alive_s: seconds between two of them; 0 for never.
    """

    match: Callable[[bytes | bytearray, int], int]
    longest: int
    baud: int
    parity: str = "N"
    stop_bits: int = 1
    start: bytes = b""
    stop: bytes = b""
    keep_alive: bytes = b""
    keep_alive_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Profile(Generic[M]):
    """One kind of frame.

    Attributes:
        name: what a configuration calls it, such as ``"heart_rate"``.
        title: a line for a person.
        aliases: other names of it, such as ``"HR_2A37"``; case does not matter.
        decode: bytes of one frame -> measurement; raises FrameError, and nothing else, on
            anything that it does not accept.
        encode: its inverse, for simulators; raises ValueError on what the wire cannot carry.
        to_json: the measurement in the field names of the command line.
        to_samples: the measurement as samples in normalised units; empty where it has no reading.
        gatt: where to find it over BLE.
        serial: how to read it from a serial port; where ``gatt`` is set too, notifications are a
            stream as well and are cut with the same ``match``.
    """

    name: str
    title: str
    decode: Callable[[bytes], M]
    to_json: Callable[[M], JsonFields]
    to_samples: Callable[[M, Arrival], tuple[Sample, ...]]
    encode: Callable[[M], bytes] | None = None
    aliases: tuple[str, ...] = ()
    gatt: GattLink | None = None
    serial: SerialLink | None = None


def json_fields(**fields: Any) -> JsonFields:
    """JSON object of a measurement.

    A field that is None was not sent and is left out; a field that is an Absence becomes null and
    its reason stands under ``"absent"``; times become ISO 8601 text.
    """
    shown: JsonFields = {}
    absent: dict[str, str] = {}
    for name, given in fields.items():
        value = given.value if isinstance(given, Quantity) else given
        if value is None:
            continue
        if isinstance(value, Absence):
            absent[name] = value.value
            shown[name] = None
        else:
            shown[name] = _plain(value)
    if absent:
        shown["absent"] = absent
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
