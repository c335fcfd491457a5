"""Glucose Measurement Context, 0x2A34 (Glucose Service 1.0.1, 3.2; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "glucose_context"

_CARBOHYDRATE = 0x01
_MEAL = 0x02
_TESTER_HEALTH = 0x04
_EXERCISE = 0x08
_MEDICATION = 0x10
_MEDICATION_IN_LITRES = 0x20
_HBA1C = 0x40
_EXTENDED = 0x80

# Exercise Duration: what a meter sends for a duration of 65,535 s or more.
_DURATION_OVERRUN = 0xFFFF


@dataclass(frozen=True, slots=True)
class Carbohydrate:
    """What was eaten: the kind of meal (1 breakfast ... 7 brunch) and kilograms."""

    kind: int
    mass_kg: Value


@dataclass(frozen=True, slots=True)
class Exercise:
    """How long, in seconds (65,534 at most, longer overflows), and how hard, in percent."""

    duration_s: int | Absence
    intensity_percent: int


@dataclass(frozen=True, slots=True)
class Medication:
    """What was taken: the kind (1 rapid insulin ... 5 pre-mixed) and how much, kg or L."""

    kind: int
    amount: Quantity


@dataclass(frozen=True, slots=True)
class GlucoseContext:
    """What a meter's user said about the record of the same number; None where nothing was sent.

    Attributes:
        sequence: number of the record that this belongs to.
        extended_flags: eight bits reserved for the future.
        carbohydrate: what was eaten.
        meal: when (1 before a meal, 2 after, 3 fasting, 4 casual, 5 bedtime).
        tester: who measured (1 self, 2 professional, 3 laboratory, 15 not available).
        health: how the user was (1 minor, 2 major issues, 3 menses, 4 stress, 5 none).
        exercise: what was done.
        medication: what was taken.
        hba1c_percent: glycated haemoglobin.
    """

    sequence: int
    extended_flags: int | None = None
    carbohydrate: Carbohydrate | None = None
    meal: int | None = None
    tester: int | None = None
    health: int | None = None
    exercise: Exercise | None = None
    medication: Medication | None = None
    hba1c_percent: Value | None = None


def decode(data: bytes) -> GlucoseContext:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    sequence = octets.u16("sequence number")
    extended = octets.u8("extended flags") if flags & _EXTENDED else None
    carbohydrate = (
        Carbohydrate(octets.u8("carbohydrate id"), octets.sfloat("carbohydrate"))
        if flags & _CARBOHYDRATE
        else None
    )
    meal = octets.u8("meal") if flags & _MEAL else None
    persons = octets.u8("tester and health") if flags & _TESTER_HEALTH else None
    context = GlucoseContext(
        sequence=sequence,
        extended_flags=extended,
        carbohydrate=carbohydrate,
        meal=meal,
        tester=None if persons is None else persons & 0x0F,
        health=None if persons is None else persons >> 4,
        exercise=_exercise(octets) if flags & _EXERCISE else None,
        medication=_medication(octets, flags) if flags & _MEDICATION else None,
        hba1c_percent=octets.sfloat("HbA1c") if flags & _HBA1C else None,
    )
    octets.end()
    return context


def encode(m: GlucoseContext) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit, or one of tester and health without the other.
    """
    octets = OctetWriter()
    octets.u8("flags", _flags(m))
    octets.u16("sequence number", m.sequence)
    if m.extended_flags is not None:
        octets.u8("extended flags", m.extended_flags)
    if m.carbohydrate is not None:
        octets.u8("carbohydrate id", m.carbohydrate.kind)
        octets.sfloat(m.carbohydrate.mass_kg)
    if m.meal is not None:
        octets.u8("meal", m.meal)
    if m.tester is not None and m.health is not None:
        if not (0 <= m.tester <= 15 and 0 <= m.health <= 15):
            raise ValueError("tester and health take four bits each")
        octets.u8("tester and health", m.tester | m.health << 4)
    if m.exercise is not None:
        octets.u16("exercise duration", _duration_word(m.exercise.duration_s))
        octets.u8("exercise intensity", m.exercise.intensity_percent)
    if m.medication is not None:
        octets.u8("medication id", m.medication.kind)
        octets.sfloat(m.medication.amount.value)
    if m.hba1c_percent is not None:
        octets.sfloat(m.hba1c_percent)
    return octets.finish()


def to_json(m: GlucoseContext) -> JsonFields:
    """Fields of the command line."""
    food, done, drug = m.carbohydrate, m.exercise, m.medication
    return json_fields(
        sequence=m.sequence,
        extended_flags=m.extended_flags,
        carbohydrate_id=food and food.kind,
        carbohydrate_kg=food and food.mass_kg,
        meal=m.meal,
        tester=m.tester,
        health=m.health,
        exercise_duration_s=done and done.duration_s,
        exercise_intensity_percent=done and done.intensity_percent,
        medication_id=drug and drug.kind,
        medication=drug and drug.amount,
        medication_unit=drug and drug.amount.unit,
        hba1c_percent=m.hba1c_percent,
    )


def to_samples(m: GlucoseContext, arrival: Arrival) -> tuple[Sample, ...]:
    """HbA1c alone is measured; the rest is what a person said about the reading."""
    if m.hba1c_percent is None:
        return ()
    hba1c = Quantity(m.hba1c_percent, "%")
    return (reading(arrival, "hba1c", arrival.received_ns, hba1c=hba1c),)


def _flags(m: GlucoseContext) -> int:
    if (m.tester is None) != (m.health is None):
        raise ValueError("tester and health are sent together")
    flags = (
        (_CARBOHYDRATE if m.carbohydrate is not None else 0)
        | (_MEAL if m.meal is not None else 0)
        | (_TESTER_HEALTH if m.tester is not None else 0)
        | (_EXERCISE if m.exercise is not None else 0)
        | (_HBA1C if m.hba1c_percent is not None else 0)
        | (_EXTENDED if m.extended_flags is not None else 0)
    )
    if m.medication is None:
        return flags
    if m.medication.amount.unit not in ("kg", "L"):
        raise ValueError(f"medication in {m.medication.amount.unit}")
    litres = m.medication.amount.unit == "L"
    return flags | _MEDICATION | (_MEDICATION_IN_LITRES if litres else 0)


def _exercise(octets: OctetReader) -> Exercise:
    duration = octets.u16("exercise duration")
    intensity = octets.u8("exercise intensity")
    overrun = duration == _DURATION_OVERRUN
    return Exercise(Absence.POSITIVE_OVERFLOW if overrun else duration, intensity)


def _duration_word(duration_s: int | Absence) -> int:
    if duration_s is Absence.POSITIVE_OVERFLOW:
        return _DURATION_OVERRUN
    if isinstance(duration_s, Absence) or duration_s == _DURATION_OVERRUN:
        raise ValueError(f"exercise duration cannot say {duration_s}")
    return duration_s


def _medication(octets: OctetReader, flags: int) -> Medication:
    kind = octets.u8("medication id")
    unit = "L" if flags & _MEDICATION_IN_LITRES else "kg"
    return Medication(kind, Quantity(octets.sfloat("medication"), unit))


PROFILES = (
    Profile(
        name=NAME,
        title="What belongs to a glucose record",
        aliases=("GLS_CONTEXT_2A34", "GLS_2A34"),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x1808), sig_uuid(0x2A34), bond=True),
    ),
)
