"""Heart Rate Measurement, 0x2A37 (Heart Rate Service 1.0, 3.1; GATT Supplement)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.octets import MAX_ATTRIBUTE_OCTETS
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "heart_rate"

_WIDE_RATE = 0x01
_CONTACT = 0x02
_CONTACT_SUPPORTED = 0x04
_ENERGY = 0x08
_RR = 0x10

_U16 = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class HeartRate:
    """One notification.

    Attributes:
        heart_rate: beats per minute; 0 where the sensor has none.
        contact: whether the sensor touches skin; None where it cannot tell.
        energy_kj: kilojoules since the last reset, stuck at 65535; None if not sent.
        rr_1024: intervals between beats in 1/1024 s, oldest first.
    """

    heart_rate: int
    contact: bool | None = None
    energy_kj: int | None = None
    rr_1024: tuple[int, ...] = ()


def decode(data: bytes) -> HeartRate:
    """Decode one value.

    Raises:
        FrameError: too short for its flags, half an interval, or longer than an attribute.
    """
    size = len(data)
    if not 2 <= size <= MAX_ATTRIBUTE_OCTETS:
        raise FrameError(NAME, f"heart rate needs 2 to {MAX_ATTRIBUTE_OCTETS} octets, not {size}")
    flags = data[0]
    # Read by hand and not through OctetReader: this is the stream that comes most often.
    at = 3 if flags & _WIDE_RATE else 2
    if size < at:
        raise FrameError(NAME, "heart rate is cut short")
    rate = data[1] | data[2] << 8 if flags & _WIDE_RATE else data[1]
    energy = None
    if flags & _ENERGY:
        if size < at + 2:
            raise FrameError(NAME, "energy expended is cut short")
        energy = data[at] | data[at + 1] << 8
        at += 2
    intervals: tuple[int, ...] = ()
    if flags & _RR:
        if (size - at) & 1:
            raise FrameError(NAME, "an RR interval is cut in half")
        intervals = _words((size - at) // 2).unpack_from(data, at)
    elif at != size:
        raise FrameError(NAME, f"{size - at} octets after the last field")
    contact = bool(flags & _CONTACT) if flags & _CONTACT_SUPPORTED else None
    return HeartRate(rate, contact, energy, intervals)


def encode(measurement: HeartRate) -> bytes:
    """Inverse of ``decode``; a rate above 255 takes the wide form.

    Raises:
        ValueError: a field does not fit 16 bits.
    """
    m = measurement
    wide = m.heart_rate > 0xFF
    flags = _WIDE_RATE if wide else 0
    if m.contact is not None:
        flags |= _CONTACT_SUPPORTED | (_CONTACT if m.contact else 0)
    flags |= (_ENERGY if m.energy_kj is not None else 0) | (_RR if m.rr_1024 else 0)
    words = ((m.energy_kj,) if m.energy_kj is not None else ()) + m.rr_1024
    try:
        rate = _U16.pack(m.heart_rate) if wide else bytes((m.heart_rate,))
        return bytes((flags,)) + rate + _words(len(words)).pack(*words)
    except struct.error as error:
        raise ValueError(f"{m} does not fit: {error}") from error


def to_json(m: HeartRate) -> JsonFields:
    """Fields of the command line; RR intervals stay in 1/1024 s."""
    return json_fields(
        heart_rate=m.heart_rate,
        contact_supported=m.contact is not None,
        contact=m.contact,
        energy_kj=m.energy_kj,
        rr_1024=m.rr_1024,
    )


def to_samples(m: HeartRate, arrival: Arrival) -> tuple[Sample, ...]:
    """The rate, and each RR interval stamped with the beat that ended it.

    The last beat is taken to be the arrival; the link's own delay is not known here.
    """
    rate: float | Absence = float(m.heart_rate)
    if m.contact is False:
        rate = Absence.NO_CONTACT
    elif m.heart_rate == 0:
        rate = Absence.MEASUREMENT_FAILED
    samples = [
        reading(arrival, "heart_rate", arrival.received_ns, heart_rate=Quantity(rate, "/min"))
    ]
    beat_ns = arrival.received_ns - sum(_interval_ns(rr) for rr in m.rr_1024)
    for rr in m.rr_1024:
        beat_ns += _interval_ns(rr)
        samples.append(reading(arrival, "rr", beat_ns, rr=Quantity(rr * 1000 / 1024, "ms")))
    return tuple(samples)


def _interval_ns(rr_1024: int) -> int:
    return rr_1024 * 1_000_000_000 // 1024


@lru_cache(maxsize=MAX_ATTRIBUTE_OCTETS // 2 + 1)
def _words(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}H")


PROFILES = (
    Profile(
        name=NAME,
        title="Heart rate with RR intervals",
        aliases=("HR_2A37",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x180D), sig_uuid(0x2A37), interval_s=2.0),
    ),
)
