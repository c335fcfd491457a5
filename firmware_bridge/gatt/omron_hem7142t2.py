"""A record of the memory of an Omron HEM-7142T2 cuff, which has no Blood Pressure Service.

The layout is not published. It was found by comparing records with what the cuff displayed
(github.com/eigger/hass-omron, issue 71): 14 octets, two little-endian words of packed time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from firmware_bridge.gatt.octets import OctetReader
from firmware_bridge.profile import JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "omron_hem7142t2"

_SYSTOLIC_BIAS = 25
# 25 + 0xE1 is above what a cuff inflates to; an erased slot is all 0xFF.
_HIGHEST_SYSTOLIC = 0xE1


@dataclass(frozen=True, slots=True)
class OmronRecord:
    """One stored measurement: pressures in mm[Hg], pulse a minute, civil time of the cuff."""

    systolic: int
    diastolic: int
    pulse_rate: int
    timestamp: datetime
    sequence: int


def decode(data: bytes) -> OmronRecord:
    """Decode one slot.

    Raises:
        FrameError: not 14 octets, an empty slot, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    systolic = octets.u8("systolic")
    if systolic > _HIGHEST_SYSTOLIC:
        raise octets.refuse("the slot is empty")
    diastolic = octets.u8("diastolic")
    pulse_rate = octets.u8("pulse rate")
    year = 2000 + (octets.u8("year") & 0x3F)
    date, clock = octets.u16("date"), octets.u16("clock")
    octets.octets("reserved", 2)
    sequence = octets.u16("sequence")
    octets.octets("checksum", 2)
    octets.end()
    try:
        timestamp = datetime(
            year,
            month=date >> 10 & 0x0F,
            day=date >> 5 & 0x1F,
            hour=date & 0x1F,
            minute=clock >> 6 & 0x3F,
            # The cuff counts its seconds to 63 before it carries.
            second=min(clock & 0x3F, 59),
        )
    except ValueError as error:
        raise octets.refuse(f"no time: {error}") from error
    return OmronRecord(systolic + _SYSTOLIC_BIAS, diastolic, pulse_rate, timestamp, sequence)


def to_json(m: OmronRecord) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        systolic=m.systolic,
        diastolic=m.diastolic,
        pulse_rate=m.pulse_rate,
        timestamp=m.timestamp,
    )


def to_samples(m: OmronRecord, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading in mm[Hg], without the mean, which the cuff does not store."""
    return (
        reading(
            arrival,
            "blood_pressure",
            arrival.civil_ns(m.timestamp),
            systolic=Quantity(float(m.systolic), "mm[Hg]"),
            diastolic=Quantity(float(m.diastolic), "mm[Hg]"),
            pulse_rate=Quantity(float(m.pulse_rate), "/min"),
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Omron cuff, stored record",
        aliases=("OMRON_HEM7142T2_EEPROM",),
        decode=decode,
        to_json=to_json,
        to_samples=to_samples,
    ),
)
