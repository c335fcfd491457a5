"""Temperature Measurement, 0x2A1C (Health Thermometer Service 1.0, 3.1; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "health_thermometer"

_FAHRENHEIT = 0x01
_TIMESTAMP = 0x02
_SITE = 0x04

_SHORT_UNIT = {"Cel": "C", "[degF]": "F"}


@dataclass(frozen=True, slots=True)
class Temperature:
    """One body temperature.

    Attributes:
        temperature: in ``Cel`` or ``[degF]``, as sent.
        timestamp: civil time of the sensor; None if not sent.
        site: where it was taken (Temperature Type 0x2A1D: 1 armpit ... 9 tympanum); None if not
            sent.
    """

    temperature: Quantity
    timestamp: CivilTime | None = None
    site: int | None = None


def decode(data: bytes) -> Temperature:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    unit = "[degF]" if flags & _FAHRENHEIT else "Cel"
    temperature = Quantity(octets.float32("temperature"), unit)
    timestamp = octets.civil_time("timestamp") if flags & _TIMESTAMP else None
    site = octets.u8("temperature type") if flags & _SITE else None
    octets.end()
    return Temperature(temperature, timestamp, site)


def encode(m: Temperature) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that FLOAT cannot carry, or a unit that the characteristic lacks.
    """
    if m.temperature.unit not in _SHORT_UNIT:
        raise ValueError(f"temperature in {m.temperature.unit}")
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_FAHRENHEIT if m.temperature.unit == "[degF]" else 0)
        | (_TIMESTAMP if m.timestamp is not None else 0)
        | (_SITE if m.site is not None else 0),
    )
    octets.float32(m.temperature.value)
    if m.timestamp is not None:
        octets.civil_time(m.timestamp)
    if m.site is not None:
        octets.u8("temperature type", m.site)
    return octets.finish()


def to_json(m: Temperature) -> JsonFields:
    """Fields of the command line, in the sensor's own unit."""
    return json_fields(
        unit=_SHORT_UNIT[m.temperature.unit],
        temperature=m.temperature,
        timestamp=m.timestamp,
        type=m.site,
    )


def to_samples(m: Temperature, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading in degrees Celsius."""
    return (
        reading(
            arrival,
            "temperature",
            arrival.civil_ns(m.timestamp),
            temperature=m.temperature,
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Body temperature",
        aliases=("HTS_2A1C",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x1809), sig_uuid(0x2A1C), Access.INDICATE),
    ),
)
