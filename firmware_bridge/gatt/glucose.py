"""Glucose Measurement, 0x2A18 (Glucose Service 1.0.1, 3.1; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "glucose"
RECORD_ACCESS = sig_uuid(0x2A52)

_TIME_OFFSET = 0x01
_CONCENTRATION = 0x02
_MOL_PER_L = 0x04
_STATUS = 0x08
_CONTEXT_FOLLOWS = 0x10

# Time Offset field of the Glucose Service: a patient's time shift that does not fit 16 bits.
_OVERRUN = 0x7FFF
_UNDERRUN = -0x8000

# Report Stored Records, All records: a meter sends nothing until it is asked.
_REPORT_ALL = b"\x01\x01"


@dataclass(frozen=True, slots=True)
class Concentration:
    """One glucose concentration.

    Attributes:
        concentration: in ``kg/L`` or ``mol/L``, as sent.
        fluid: what was measured (1 capillary whole blood ... 10 control solution).
        location: where it was taken (1 finger ... 4 control solution, 15 not available).
    """

    concentration: Quantity
    fluid: int
    location: int


@dataclass(frozen=True, slots=True)
class Glucose:
    """One record of a meter.

    Attributes:
        sequence: number of the record; the context of the same number belongs to it.
        base_time: the meter's clock.
        time_offset_min: minutes from the clock to the time its user sees; None if not sent.
        measurement: None if the record has none.
        status: Sensor Status Annunciation, 16 bits; None if not sent.
        context_follows: whether a Glucose Measurement Context of this number follows.
    """

    sequence: int
    base_time: CivilTime
    time_offset_min: int | Absence | None = None
    measurement: Concentration | None = None
    status: int | None = None
    context_follows: bool = False

    @property
    def user_time(self) -> CivilTime:
        """The time that the meter's user saw; the base time where the shift is unknown."""
        if isinstance(self.base_time, datetime) and isinstance(self.time_offset_min, int):
            try:
                return self.base_time + timedelta(minutes=self.time_offset_min)
            except OverflowError:
                return Absence.CLOCK_NOT_SET
        return self.base_time


def decode(data: bytes) -> Glucose:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    record = Glucose(
        sequence=octets.u16("sequence number"),
        base_time=octets.civil_time("base time"),
        time_offset_min=_offset(octets) if flags & _TIME_OFFSET else None,
        measurement=_concentration(octets, flags) if flags & _CONCENTRATION else None,
        status=octets.u16("sensor status") if flags & _STATUS else None,
        context_follows=bool(flags & _CONTEXT_FOLLOWS),
    )
    octets.end()
    return record


def encode(m: Glucose) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    molar = m.measurement is not None and m.measurement.concentration.unit == "mol/L"
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_TIME_OFFSET if m.time_offset_min is not None else 0)
        | (_CONCENTRATION if m.measurement is not None else 0)
        | (_MOL_PER_L if molar else 0)
        | (_STATUS if m.status is not None else 0)
        | (_CONTEXT_FOLLOWS if m.context_follows else 0),
    )
    octets.u16("sequence number", m.sequence)
    octets.civil_time(m.base_time)
    if m.time_offset_min is not None:
        octets.signed("time offset", _offset_word(m.time_offset_min), 2)
    if m.measurement is not None:
        _put_concentration(octets, m.measurement)
    if m.status is not None:
        octets.u16("sensor status", m.status)
    return octets.finish()


def to_json(m: Glucose) -> JsonFields:
    """Fields of the command line, in the meter's own unit."""
    measured = m.measurement
    return json_fields(
        sequence=m.sequence,
        base_time=m.base_time,
        time_offset_min=m.time_offset_min,
        concentration=measured and measured.concentration,
        unit=measured and measured.concentration.unit,
        type=measured and measured.fluid,
        location=measured and measured.location,
        sensor_status=m.status,
        context_follows=m.context_follows,
    )


def to_samples(m: Glucose, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading in mg/dL at the time that the meter's user saw; none without a measurement."""
    if m.measurement is None:
        return ()
    at_ns = arrival.civil_ns(m.user_time)
    return (reading(arrival, "glucose", at_ns, glucose=m.measurement.concentration),)


def _offset(octets: OctetReader) -> int | Absence:
    minutes = octets.signed("time offset", 2)
    if minutes == _OVERRUN:
        return Absence.POSITIVE_OVERFLOW
    return Absence.NEGATIVE_OVERFLOW if minutes == _UNDERRUN else minutes


def _offset_word(minutes: int | Absence) -> int:
    if isinstance(minutes, Absence):
        if minutes not in (Absence.POSITIVE_OVERFLOW, Absence.NEGATIVE_OVERFLOW):
            raise ValueError(f"time offset cannot say {minutes}")
        return _OVERRUN if minutes is Absence.POSITIVE_OVERFLOW else _UNDERRUN
    if minutes in (_OVERRUN, _UNDERRUN):
        raise ValueError(f"time offset {minutes} would read as an overflow")
    return minutes


def _concentration(octets: OctetReader, flags: int) -> Concentration:
    value = octets.sfloat("concentration")
    kinds = octets.u8("type and sample location")
    unit = "mol/L" if flags & _MOL_PER_L else "kg/L"
    return Concentration(Quantity(value, unit), kinds & 0x0F, kinds >> 4)


def _put_concentration(octets: OctetWriter, measured: Concentration) -> None:
    if measured.concentration.unit not in ("mol/L", "kg/L"):
        raise ValueError(f"concentration in {measured.concentration.unit}")
    value: Value = measured.concentration.value
    octets.sfloat(value)
    if not (0 <= measured.fluid <= 15 and 0 <= measured.location <= 15):
        raise ValueError("type and sample location take four bits each")
    octets.u8("type and sample location", measured.fluid | measured.location << 4)


PROFILES = (
    Profile(
        name=NAME,
        title="Blood glucose record",
        aliases=("GLS_2A18",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(
            sig_uuid(0x1808),
            sig_uuid(0x2A18),
            bond=True,
            start=((RECORD_ACCESS, _REPORT_ALL),),
        ),
    ),
)
