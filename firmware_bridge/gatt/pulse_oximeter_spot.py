"""PLX Spot-Check Measurement, 0x2A5E (Pulse Oximeter Service 1.0, 3.1; GATT Supplement).

Its flags are not those of the continuous measurement, though the fields are.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "pulse_oximeter_spot"

_TIMESTAMP = 0x01
_MEASUREMENT_STATUS = 0x02
_DEVICE_STATUS = 0x04
_PULSE_AMPLITUDE = 0x08
_CLOCK_NOT_SET = 0x10


@dataclass(frozen=True, slots=True)
class PulseOximeterSpot:
    """One spot check.

    Attributes:
        spo2: percent.
        pulse_rate: beats per minute.
        timestamp: civil time of the sensor; None if not sent.
        clock_not_set: the sensor says that its clock, and so ``timestamp``, means nothing.
        measurement_status: 16 bits; None if not sent.
        device_status: Device and Sensor Status, 24 bits; None if not sent.
        pulse_amplitude: Pulse Amplitude Index, percent; None if not sent.
    """

    spo2: Value
    pulse_rate: Value
    timestamp: CivilTime | None = None
    clock_not_set: bool = False
    measurement_status: int | None = None
    device_status: int | None = None
    pulse_amplitude: Value | None = None


def decode(data: bytes) -> PulseOximeterSpot:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags, or a time that is none.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    measurement = PulseOximeterSpot(
        spo2=octets.sfloat("SpO2"),
        pulse_rate=octets.sfloat("pulse rate"),
        timestamp=octets.civil_time("timestamp") if flags & _TIMESTAMP else None,
        clock_not_set=bool(flags & _CLOCK_NOT_SET),
        measurement_status=(
            octets.u16("measurement status") if flags & _MEASUREMENT_STATUS else None
        ),
        device_status=octets.unsigned("device status", 3) if flags & _DEVICE_STATUS else None,
        pulse_amplitude=octets.sfloat("pulse amplitude") if flags & _PULSE_AMPLITUDE else None,
    )
    octets.end()
    return measurement


def encode(m: PulseOximeterSpot) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that SFLOAT cannot carry, or a status that does not fit.
    """
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_TIMESTAMP if m.timestamp is not None else 0)
        | (_MEASUREMENT_STATUS if m.measurement_status is not None else 0)
        | (_DEVICE_STATUS if m.device_status is not None else 0)
        | (_PULSE_AMPLITUDE if m.pulse_amplitude is not None else 0)
        | (_CLOCK_NOT_SET if m.clock_not_set else 0),
    )
    octets.sfloat(m.spo2)
    octets.sfloat(m.pulse_rate)
    if m.timestamp is not None:
        octets.civil_time(m.timestamp)
    if m.measurement_status is not None:
        octets.u16("measurement status", m.measurement_status)
    if m.device_status is not None:
        octets.unsigned("device status", m.device_status, 3)
    if m.pulse_amplitude is not None:
        octets.sfloat(m.pulse_amplitude)
    return octets.finish()


def to_json(m: PulseOximeterSpot) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        spo2=m.spo2,
        pulse_rate=m.pulse_rate,
        timestamp=m.timestamp,
        clock_not_set=True if m.clock_not_set else None,
        measurement_status=m.measurement_status,
        device_status=m.device_status,
        pulse_amplitude_index=m.pulse_amplitude,
    )


def to_samples(m: PulseOximeterSpot, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading, at the time of its arrival where the sensor's clock is not set."""
    moment = Absence.CLOCK_NOT_SET if m.clock_not_set else m.timestamp
    return (
        reading(
            arrival,
            "pulse_oximeter",
            arrival.civil_ns(moment),
            spo2=Quantity(m.spo2, "%"),
            pulse_rate=Quantity(m.pulse_rate, "/min"),
            pulse_amplitude=(
                None if m.pulse_amplitude is None else Quantity(m.pulse_amplitude, "%")
            ),
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Oxygen saturation, spot check",
        aliases=("PLX_SPOT_2A5E",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x1822), sig_uuid(0x2A5E), Access.INDICATE, bond=True),
    ),
)
