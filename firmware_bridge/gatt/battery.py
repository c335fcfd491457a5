"""Battery Level, 0x2A19 (Battery Service 1.0, 3.1; GATT Supplement)."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "battery"


@dataclass(frozen=True, slots=True)
class Battery:
    """Charge of the sensor's battery, 0 to 100 percent."""

    level: int


def decode(data: bytes) -> Battery:
    """Decode one value.

    Raises:
        FrameError: not one octet of 0 to 100.
    """
    if len(data) != 1:
        raise FrameError(NAME, f"level is one octet, not {len(data)}")
    if data[0] > 100:
        raise FrameError(NAME, f"level {data[0]} is above 100 percent")
    return Battery(data[0])


def encode(m: Battery) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: the level is not a percentage.
    """
    if not 0 <= m.level <= 100:
        raise ValueError(f"level {m.level} is no percentage")
    return bytes((m.level,))


def to_json(m: Battery) -> JsonFields:
    """Fields of the command line."""
    return json_fields(level=m.level)


def to_samples(m: Battery, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading."""
    level = Quantity(float(m.level), "%")
    return (reading(arrival, "battery", arrival.received_ns, battery=level),)


PROFILES = (
    Profile(
        name=NAME,
        title="Battery level",
        aliases=("BATTERY_2A19",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x180F), sig_uuid(0x2A19)),
    ),
)
