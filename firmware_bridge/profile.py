"""What a sensor's profile is: a decoder, its encoder, and how the sensor is reached.

A profile module declares ``PROFILES``, a tuple of ``Profile``; ``firmware_bridge.profiles`` finds
it. Nothing else has to change when a sensor is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.ieee11073 import Value
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Channel, Sample

M = TypeVar("M")
JsonFields = dict[str, Any]

_NONE_ABSENT: Mapping[int, Absence] = MappingProxyType({})
_MOST = float(np.finfo(np.float32).max)
_UNIX_EPOCH = datetime(1970, 1, 1)
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the receiver knows of a frame and the frame does not say.

    Attributes:
        sensor: configured name of the sensor.
        received_ns: when the frame came, in Unix nanoseconds.
        utc_offset_s: how far the sensor's civil clock is ahead of UTC.
        session_start_ns: when a CGM session began, if its 2AAA was read.
        rate_hz: sampling rate, where it was negotiated; else the profile's usual rate.
        factor: what a count is worth, where it was negotiated (Polar PMD settings).
    """

    sensor: str
    received_ns: int
    utc_offset_s: int = 0
    session_start_ns: int | None = None
    rate_hz: float | None = None
    factor: float = 1.0

    def civil_ns(self, moment: datetime | Absence | None) -> int:
        """Unix nanoseconds of a civil time of the sensor; of the arrival where it has none."""
        if moment is None or isinstance(moment, Absence):
            return self.received_ns
        since = moment - _UNIX_EPOCH
        seconds = since.days * 86_400 + since.seconds - self.utc_offset_s
        return seconds * _NS_PER_S + since.microseconds * 1_000

    def interval_ns(self, usual_rate_hz: float) -> int:
        """Nanoseconds between two readings."""
        return round(_NS_PER_S / (self.rate_hz or usual_rate_hz))


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
    """

    service: str
    characteristic: str
    access: Access = Access.NOTIFY
    bond: bool = False
    start: tuple[tuple[str, bytes], ...] = ()


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


def no_samples(_measurement: object, _arrival: Arrival) -> tuple[Sample, ...]:
    """``to_samples`` of profiles that tell about the sensor and not about its wearer."""
    return ()


def reading(
    arrival: Arrival, stream: str, timestamp_ns: int, **quantities: Quantity | None
) -> Sample:
    """One aperiodic reading; its channels are the quantities that were sent, normalised."""
    sent = {name: given.normalised() for name, given in quantities.items() if given is not None}
    values = np.empty((1, len(sent)), dtype=np.float32)
    absent: dict[int, Absence] = {}
    for index, quantity in enumerate(sent.values()):
        value = _within_float32(quantity.value)
        if isinstance(value, Absence):
            absent[index] = value
            values[0, index] = np.nan
        else:
            values[0, index] = value
    return Sample(
        sensor=arrival.sensor,
        stream=stream,
        channels=tuple(Channel(name, quantity.unit) for name, quantity in sent.items()),
        timestamp_ns=timestamp_ns,
        interval_ns=0,
        values=values,
        absent=MappingProxyType(absent) if absent else _NONE_ABSENT,
    )


def waveform(
    arrival: Arrival,
    stream: str,
    channels: tuple[Channel, ...],
    values: NDArray[np.float32],
    *,
    timestamp_ns: int,
    interval_ns: int,
) -> Sample:
    """Evenly spaced readings of one frame, all present.

    Args:
        values: float32[n, C], one row per reading, one column per channel.
        timestamp_ns: time of the first row.
        interval_ns: time between two rows.
    """
    return Sample(
        sensor=arrival.sensor,
        stream=stream,
        channels=channels,
        timestamp_ns=timestamp_ns,
        interval_ns=interval_ns,
        values=values,
    )


def _within_float32(value: Value) -> Value:
    """FLOAT reaches 1e134, samples 3e38: what lies between has overflowed and not become inf."""
    if isinstance(value, Absence) or abs(value) <= _MOST:
        return value
    return Absence.POSITIVE_OVERFLOW if value > 0 else Absence.NEGATIVE_OVERFLOW


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
