"""Current Time, 0x2A2B (Current Time Service 1.1, 3.1; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.sampling import no_samples

NAME = "current_time"


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """What a sensor's clock says.

    Attributes:
        moment: civil time without a zone.
        day_of_week: 1 Monday ... 7 Sunday, 0 unknown.
        fractions256: 1/256 s after ``moment``.
        adjust_reason: bits: manual 1, external reference 2, time zone 4, daylight saving 8.
    """

    moment: CivilTime
    day_of_week: int = 0
    fractions256: int = 0
    adjust_reason: int = 0


def decode(data: bytes) -> CurrentTime:
    """Decode one value.

    Raises:
        FrameError: not ten octets, a time that is none, or an eighth day of the week.
    """
    octets = OctetReader(NAME, data)
    moment = octets.civil_time("date time")
    day_of_week = octets.u8("day of week")
    if day_of_week > 7:
        raise octets.refuse(f"day of week {day_of_week}")
    fractions = octets.u8("fractions")
    reason = octets.u8("adjust reason")
    octets.end()
    return CurrentTime(moment, day_of_week, fractions, reason)


def encode(m: CurrentTime) -> bytes:
    """Inverse of ``decode``; also what setting a sensor's clock writes.

    Raises:
        ValueError: a field that does not fit.
    """
    octets = OctetWriter()
    octets.civil_time(m.moment)
    octets.u8("day of week", m.day_of_week)
    octets.u8("fractions", m.fractions256)
    octets.u8("adjust reason", m.adjust_reason)
    return octets.finish()


def to_json(m: CurrentTime) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        timestamp=m.moment,
        day_of_week=m.day_of_week,
        fractions256=m.fractions256,
        adjust_reason=m.adjust_reason,
    )


PROFILES = (
    Profile(
        name=NAME,
        title="The sensor's clock",
        aliases=("CURRENT_TIME_2A2B", "CTS_2A2B"),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=no_samples,
        gatt=GattLink(sig_uuid(0x1805), sig_uuid(0x2A2B)),
    ),
)
