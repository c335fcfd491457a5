"""PLX Continuous Measurement, 0x2A5F (Pulse Oximeter Service 1.0, 3.2; GATT Supplement).

Its flags are not those of the spot check, though the fields are.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "pulse_oximeter_continuous"

_FAST = 0x01
_SLOW = 0x02
_MEASUREMENT_STATUS = 0x04
_DEVICE_STATUS = 0x08
_PULSE_AMPLITUDE = 0x10


@dataclass(frozen=True, slots=True)
class Oximetry:
    """Saturation in percent and pulse in beats per minute, over one averaging time."""

    spo2: Value
    pulse_rate: Value


@dataclass(frozen=True, slots=True)
class PulseOximeterContinuous:
    """One notification of a worn oximeter.

    Attributes:
        normal: averaged over the sensor's normal time.
        fast: averaged over a shorter time; None if not sent.
        slow: averaged over a longer time; None if not sent.
        measurement_status: 16 bits; None if not sent.
        device_status: Device and Sensor Status, 24 bits; None if not sent.
        pulse_amplitude: Pulse Amplitude Index, percent; None if not sent.
    """

    normal: Oximetry
    fast: Oximetry | None = None
    slow: Oximetry | None = None
    measurement_status: int | None = None
    device_status: int | None = None
    pulse_amplitude: Value | None = None


def decode(data: bytes) -> PulseOximeterContinuous:
    """Decode one value.

    Raises:
        FrameError: too short or too long for its flags.
    """
    octets = OctetReader(NAME, data)
    flags = octets.u8("flags")
    measurement = PulseOximeterContinuous(
        normal=_oximetry(octets, "normal"),
        fast=_oximetry(octets, "fast") if flags & _FAST else None,
        slow=_oximetry(octets, "slow") if flags & _SLOW else None,
        measurement_status=(
            octets.u16("measurement status") if flags & _MEASUREMENT_STATUS else None
        ),
        device_status=octets.unsigned("device status", 3) if flags & _DEVICE_STATUS else None,
        pulse_amplitude=octets.sfloat("pulse amplitude") if flags & _PULSE_AMPLITUDE else None,
    )
    octets.end()
    return measurement


def encode(m: PulseOximeterContinuous) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that SFLOAT cannot carry, or a status that does not fit.
    """
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_FAST if m.fast is not None else 0)
        | (_SLOW if m.slow is not None else 0)
        | (_MEASUREMENT_STATUS if m.measurement_status is not None else 0)
        | (_DEVICE_STATUS if m.device_status is not None else 0)
        | (_PULSE_AMPLITUDE if m.pulse_amplitude is not None else 0),
    )
    for average in (m.normal, m.fast, m.slow):
        if average is not None:
            octets.sfloat(average.spo2)
            octets.sfloat(average.pulse_rate)
    if m.measurement_status is not None:
        octets.u16("measurement status", m.measurement_status)
    if m.device_status is not None:
        octets.unsigned("device status", m.device_status, 3)
    if m.pulse_amplitude is not None:
        octets.sfloat(m.pulse_amplitude)
    return octets.finish()


def to_json(m: PulseOximeterContinuous) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        spo2=m.normal.spo2,
        pulse_rate=m.normal.pulse_rate,
        spo2_fast=m.fast and m.fast.spo2,
        pulse_rate_fast=m.fast and m.fast.pulse_rate,
        spo2_slow=m.slow and m.slow.spo2,
        pulse_rate_slow=m.slow and m.slow.pulse_rate,
        measurement_status=m.measurement_status,
        device_status=m.device_status,
        pulse_amplitude_index=m.pulse_amplitude,
    )


def to_samples(m: PulseOximeterContinuous, arrival: Arrival) -> tuple[Sample, ...]:
    """The normal average as one reading; fast and slow as further streams where sent."""
    amplitude = None if m.pulse_amplitude is None else Quantity(m.pulse_amplitude, "%")
    samples = [_sample(m.normal, "pulse_oximeter", arrival, amplitude)]
    for stream, average in (("pulse_oximeter_fast", m.fast), ("pulse_oximeter_slow", m.slow)):
        if average is not None:
            samples.append(_sample(average, stream, arrival, None))
    return tuple(samples)


def _oximetry(octets: OctetReader, average: str) -> Oximetry:
    return Oximetry(octets.sfloat(f"{average} SpO2"), octets.sfloat(f"{average} pulse rate"))


def _sample(average: Oximetry, stream: str, arrival: Arrival, amplitude: Quantity | None) -> Sample:
    return reading(
        arrival,
        stream,
        arrival.received_ns,
        spo2=Quantity(average.spo2, "%"),
        pulse_rate=Quantity(average.pulse_rate, "/min"),
        pulse_amplitude=amplitude,
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Oxygen saturation, continuous",
        aliases=("PLX_CONT_2A5F",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(sig_uuid(0x1822), sig_uuid(0x2A5F), bond=True, interval_s=2.0),
    ),
)
