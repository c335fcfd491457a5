"""Blood Pressure Measurement, 0x2A35 (Blood Pressure Service 1.1, 3.1; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "blood_pressure"

_KPA = 0x01
_TIMESTAMP = 0x02
_PULSE_RATE = 0x04
_USER_ID = 0x08
_STATUS = 0x10

_SHORT_UNIT = {"mm[Hg]": "mmHg", "kPa": "kPa"}


class CuffStatus(IntFlag):
    """Bits of Measurement Status that say what disturbed the measurement."""

    BODY_MOVED = 0x01
    CUFF_LOOSE = 0x02
    IRREGULAR_PULSE = 0x04
    PULSE_TOO_FAST = 0x08
    PULSE_TOO_SLOW = 0x10
    WRONG_POSITION = 0x20


@dataclass(frozen=True, slots=True)
class BloodPressure:
    """One measurement of a cuff; all three pressures are absent when it failed.

    Attributes:
        systolic: as sent; its unit is that of the other two.
        diastolic: as sent.
        mean: mean arterial pressure, as sent.
        unit: ``mm[Hg]`` or ``kPa``.
        timestamp: civil time of the sensor; None if not sent.
        pulse_rate: beats per minute; None if not sent.
        user_id: which user of the cuff, 255 unknown; None if not sent.
        status: Measurement Status, bits of ``CuffStatus``; None if not sent.
    """

    systolic: Value
    diastolic: Value
    mean: Value
    unit: str = "mm[Hg]"
    timestamp: CivilTime | None = None
    pulse_rate: Value | None = None
    user_id: int | None = None
    status: int | None = None


def decode(data: bytes) -> BloodPressure:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    measurement = BloodPressure(
        systolic=octets.sfloat("systolic"),
        diastolic=octets.sfloat("diastolic"),
        mean=octets.sfloat("mean arterial pressure"),
        unit="kPa" if flags & _KPA else "mm[Hg]",
        timestamp=octets.civil_time("timestamp") if flags & _TIMESTAMP else None,
        pulse_rate=octets.sfloat("pulse rate") if flags & _PULSE_RATE else None,
        user_id=octets.u8("user id") if flags & _USER_ID else None,
        status=octets.u16("measurement status") if flags & _STATUS else None,
    )
    octets.end()
    return measurement


def encode(m: BloodPressure) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that SFLOAT cannot carry, or a unit that the characteristic lacks.
    """
    if m.unit not in _SHORT_UNIT:
        raise ValueError(f"blood pressure in {m.unit}")
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_KPA if m.unit == "kPa" else 0)
        | (_TIMESTAMP if m.timestamp is not None else 0)
        | (_PULSE_RATE if m.pulse_rate is not None else 0)
        | (_USER_ID if m.user_id is not None else 0)
        | (_STATUS if m.status is not None else 0),
    )
    for pressure in (m.systolic, m.diastolic, m.mean):
        octets.sfloat(pressure)
    if m.timestamp is not None:
        octets.civil_time(m.timestamp)
    if m.pulse_rate is not None:
        octets.sfloat(m.pulse_rate)
    if m.user_id is not None:
        octets.u8("user id", m.user_id)
    if m.status is not None:
        octets.u16("measurement status", m.status)
    return octets.finish()


def to_json(m: BloodPressure) -> JsonFields:
    """Fields of the command line, in the cuff's own unit."""
    return json_fields(
        unit=_SHORT_UNIT[m.unit],
        systolic=m.systolic,
        diastolic=m.diastolic,
        map=m.mean,
        timestamp=m.timestamp,
        pulse_rate=m.pulse_rate,
        user_id=m.user_id,
        measurement_status=m.status,
    )


def to_samples(m: BloodPressure, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading in mm[Hg], with the pulse rate where it was sent."""
    return (
        reading(
            arrival,
            "blood_pressure",
            arrival.civil_ns(m.timestamp),
            systolic=Quantity(m.systolic, m.unit),
            diastolic=Quantity(m.diastolic, m.unit),
            mean=Quantity(m.mean, m.unit),
            pulse_rate=None if m.pulse_rate is None else Quantity(m.pulse_rate, "/min"),
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Blood pressure",
        aliases=("BP_2A35",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x1810), sig_uuid(0x2A35), Access.INDICATE, bond=True),
    ),
)
