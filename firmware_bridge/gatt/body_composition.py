"""Body Composition Measurement, 0x2A9C (Body Composition Service 1.0, 3.2; GATT Supplement)."""

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

NAME = "body_composition"

_IMPERIAL = 0x0001
_TIMESTAMP = 0x0002
_USER_ID = 0x0004
_BASAL_METABOLISM = 0x0008
_MUSCLE_PERCENTAGE = 0x0010
_MUSCLE_MASS = 0x0020
_FAT_FREE_MASS = 0x0040
_SOFT_LEAN_MASS = 0x0080
_BODY_WATER_MASS = 0x0100
_IMPEDANCE = 0x0200
_WEIGHT = 0x0400
_HEIGHT = 0x0800
_MULTIPLE_PACKET = 0x1000

_UNSUCCESSFUL = 0xFFFF


@dataclass(frozen=True, slots=True)
class BodyComposition:
    """One measurement, or a part of one that did not fit into a packet.

    Attributes:
        body_fat: percent; absent when the scale says that it failed.
        units: metric or imperial, as sent; of every mass and of the height.
        timestamp: civil time of the scale; None if not sent, as for all below.
        user_id: which user of the scale, 255 unknown.
        basal_metabolism_kj: kilojoules a day.
        muscle_percentage: percent.
        muscle_mass: in ``units.mass``, as the masses below.
        fat_free_mass: everything but fat.
        soft_lean_mass: everything but fat and bone.
        body_water_mass: water.
        impedance_ohm: ohms.
        weight: of the whole body.
        height: in ``units.length``.
        multiple_packet: whether another packet continues this measurement.
    """

    body_fat: Value
    units: BodyUnits = METRIC
    timestamp: CivilTime | None = None
    user_id: int | None = None
    basal_metabolism_kj: int | None = None
    muscle_percentage: float | None = None
    muscle_mass: float | None = None
    fat_free_mass: float | None = None
    soft_lean_mass: float | None = None
    body_water_mass: float | None = None
    impedance_ohm: float | None = None
    weight: float | None = None
    height: float | None = None
    multiple_packet: bool = False


def decode(data: bytes) -> BodyComposition:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u16("flags")
    units = body_units(imperial=bool(flags & _IMPERIAL))
    fat = octets.u16("body fat percentage")

    def scaled(flag: int, field: str, per_unit: int) -> float | None:
        return octets.u16(field) / per_unit if flags & flag else None

    measurement = BodyComposition(
        body_fat=Absence.MEASUREMENT_FAILED if fat == _UNSUCCESSFUL else fat / 10,
        units=units,
        timestamp=octets.civil_time("timestamp") if flags & _TIMESTAMP else None,
        user_id=octets.u8("user id") if flags & _USER_ID else None,
        basal_metabolism_kj=octets.u16("metabolism") if flags & _BASAL_METABOLISM else None,
        muscle_percentage=scaled(_MUSCLE_PERCENTAGE, "muscle percentage", 10),
        muscle_mass=scaled(_MUSCLE_MASS, "muscle mass", units.per_mass),
        fat_free_mass=scaled(_FAT_FREE_MASS, "fat free mass", units.per_mass),
        soft_lean_mass=scaled(_SOFT_LEAN_MASS, "soft lean mass", units.per_mass),
        body_water_mass=scaled(_BODY_WATER_MASS, "body water mass", units.per_mass),
        impedance_ohm=scaled(_IMPEDANCE, "impedance", 10),
        weight=scaled(_WEIGHT, "weight", units.per_mass),
        height=scaled(_HEIGHT, "height", units.per_length),
        multiple_packet=bool(flags & _MULTIPLE_PACKET),
    )
    octets.end()
    return measurement


def encode(m: BodyComposition) -> bytes:
    """Inverse of ``decode``, to the resolution of the characteristic.

    Raises:
        ValueError: a value that does not fit.
    """
    flags = (_IMPERIAL if m.units == IMPERIAL else 0) | (
        _MULTIPLE_PACKET if m.multiple_packet else 0
    )
    body = OctetWriter()
    if m.body_fat is Absence.MEASUREMENT_FAILED:
        body.u16("body fat percentage", _UNSUCCESSFUL)
    else:
        body.scaled_u16("body fat percentage", m.body_fat, 10, most=_UNSUCCESSFUL - 1)
    if m.timestamp is not None:
        flags |= _TIMESTAMP
        body.civil_time(m.timestamp)
    if m.user_id is not None:
        flags |= _USER_ID
        body.u8("user id", m.user_id)
    for flag, field, value, per_unit in (
        (_BASAL_METABOLISM, "metabolism", m.basal_metabolism_kj, 1),
        (_MUSCLE_PERCENTAGE, "muscle percentage", m.muscle_percentage, 10),
        (_MUSCLE_MASS, "muscle mass", m.muscle_mass, m.units.per_mass),
        (_FAT_FREE_MASS, "fat free mass", m.fat_free_mass, m.units.per_mass),
        (_SOFT_LEAN_MASS, "soft lean mass", m.soft_lean_mass, m.units.per_mass),
        (_BODY_WATER_MASS, "body water mass", m.body_water_mass, m.units.per_mass),
        (_IMPEDANCE, "impedance", m.impedance_ohm, 10),
        (_WEIGHT, "weight", m.weight, m.units.per_mass),
        (_HEIGHT, "height", m.height, m.units.per_length),
    ):
        if value is not None:
            flags |= flag
            body.scaled_u16(field, value, per_unit)
    head = OctetWriter()
    head.u16("flags", flags)
    head.octets(body.finish())
    return head.finish()


def to_json(m: BodyComposition) -> JsonFields:
    """Fields of the command line, in the scale's own units."""
    return json_fields(
        unit=m.units.short,
        body_fat_percent=m.body_fat,
        timestamp=m.timestamp,
        user_id=m.user_id,
        basal_metabolism_kj=m.basal_metabolism_kj,
        muscle_percent=m.muscle_percentage,
        muscle_mass=m.muscle_mass,
        fat_free_mass=m.fat_free_mass,
        soft_lean_mass=m.soft_lean_mass,
        body_water_mass=m.body_water_mass,
        impedance_ohm=m.impedance_ohm,
        weight=m.weight,
        height=m.height,
        multiple_packet=True if m.multiple_packet else None,
    )


def to_samples(m: BodyComposition, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading in kg, m, percent, kilojoules and ohms."""

    def sent(value: float | None, unit: str) -> Quantity | None:
        return None if value is None else Quantity(float(value), unit)

    mass = m.units.mass
    return (
        reading(
            arrival,
            "body_composition",
            arrival.civil_ns(m.timestamp),
            body_fat=Quantity(m.body_fat, "%"),
            basal_metabolism=sent(m.basal_metabolism_kj, "kJ/d"),
            muscle=sent(m.muscle_percentage, "%"),
            muscle_mass=sent(m.muscle_mass, mass),
            fat_free_mass=sent(m.fat_free_mass, mass),
            soft_lean_mass=sent(m.soft_lean_mass, mass),
            body_water_mass=sent(m.body_water_mass, mass),
            impedance=sent(m.impedance_ohm, "Ohm"),
            weight=sent(m.weight, mass),
            height=sent(m.height, m.units.length),
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Body composition",
        aliases=("BODY_COMPOSITION_2A9C", "BCS_2A9C"),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x181B), sig_uuid(0x2A9C), Access.INDICATE, bond=True),
    ),
)
