"""Weight Measurement, 0x2A9D (Weight Scale Service 1.0, 3.2; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.body_units import IMPERIAL, METRIC, BodyUnits, body_units
from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "weight"

_IMPERIAL = 0x01
_TIMESTAMP = 0x02
_USER_ID = 0x04
_BMI_AND_HEIGHT = 0x08

# Weight field of the GATT Supplement: what a scale sends when it could not weigh.
_UNSUCCESSFUL = 0xFFFF


@dataclass(frozen=True, slots=True)
class Stature:
    """Body mass index in kg/m2, and height in the units of the measurement around it."""

    bmi: float
    height: float


@dataclass(frozen=True, slots=True)
class Weight:
    """One weighing.

    Attributes:
        weight: in ``units.mass``; absent when the scale says that it failed.
        units: metric or imperial, as sent.
        timestamp: civil time of the scale; None if not sent.
        user_id: which user of the scale, 255 unknown; None if not sent.
        stature: BMI and height, which come together; None if not sent.
    """

    weight: Value
    units: BodyUnits = METRIC
    timestamp: CivilTime | None = None
    user_id: int | None = None
    stature: Stature | None = None


def decode(data: bytes) -> Weight:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    units = body_units(imperial=bool(flags & _IMPERIAL))
    raw = octets.u16("weight")
    measurement = Weight(
        weight=Absence.MEASUREMENT_FAILED if raw == _UNSUCCESSFUL else raw / units.per_mass,
        units=units,
        timestamp=octets.civil_time("timestamp") if flags & _TIMESTAMP else None,
        user_id=octets.u8("user id") if flags & _USER_ID else None,
        stature=(
            Stature(octets.u16("BMI") / 10, octets.u16("height") / units.per_length)
            if flags & _BMI_AND_HEIGHT
            else None
        ),
    )
    octets.end()
    return measurement


def encode(m: Weight) -> bytes:
    """Inverse of ``decode``, to the resolution of the characteristic.

    Raises:
        ValueError: a value that does not fit.
    """
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_IMPERIAL if m.units == IMPERIAL else 0)
        | (_TIMESTAMP if m.timestamp is not None else 0)
        | (_USER_ID if m.user_id is not None else 0)
        | (_BMI_AND_HEIGHT if m.stature is not None else 0),
    )
    if m.weight is Absence.MEASUREMENT_FAILED:
        octets.u16("weight", _UNSUCCESSFUL)
    else:
        octets.scaled_u16("weight", m.weight, m.units.per_mass, most=_UNSUCCESSFUL - 1)
    if m.timestamp is not None:
        octets.civil_time(m.timestamp)
    if m.user_id is not None:
        octets.u8("user id", m.user_id)
    if m.stature is not None:
        octets.scaled_u16("BMI", m.stature.bmi, 10)
        octets.scaled_u16("height", m.stature.height, m.units.per_length)
    return octets.finish()


def to_json(m: Weight) -> JsonFields:
    """Fields of the command line, in the scale's own units (height in m or inches)."""
    return json_fields(
        unit=m.units.short,
        weight=m.weight,
        timestamp=m.timestamp,
        user_id=m.user_id,
        bmi=m.stature and m.stature.bmi,
        height=m.stature and m.stature.height,
    )


def to_samples(m: Weight, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading in kg, kg/m2 and m."""
    stature = m.stature
    return (
        reading(
            arrival,
            "weight",
            arrival.civil_ns(m.timestamp),
            weight=Quantity(m.weight, m.units.mass),
            bmi=None if stature is None else Quantity(stature.bmi, "kg/m2"),
            height=None if stature is None else Quantity(stature.height, m.units.length),
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Body weight",
        aliases=("WEIGHT_2A9D",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x181D), sig_uuid(0x2A9D), Access.INDICATE, bond=True),
    ),
)
