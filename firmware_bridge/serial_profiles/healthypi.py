"""ProtoCentral HealthyPi v3 and v4: 20 bytes of vital signs in an envelope, 125 a second.

The OpenView packet as the boards' firmware sends it: 0A FA, length (little-endian), type 2, the
payload, 00 0B. The HealthyPi 5 sends another payload of the same length and type: ``healthypi5``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial

import numpy as np

from firmware_bridge.errors import FrameError
from firmware_bridge.profile import JsonFields, Profile, SerialLink, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Channel, Sample
from firmware_bridge.sampling import Arrival, reading, waveform
from firmware_bridge.serial_profiles.openview import FRAME_SIZE, match, payload_of, wrapped

NAME = "healthypi"
RATE_HZ = 125.0

# ECG, respiration, IR and red PPG, temperature in 0.01 degrees, respiration and saturation, pulse,
# two bytes of blood pressure, status.
_PAYLOAD = struct.Struct("<hhiih6B")

_LEAD_OFF = 0x01
_ECG = (Channel("ecg", "{count}"), Channel("resp", "{count}"))
_PPG = (Channel("ppg_ir", "{count}"), Channel("ppg_red", "{count}"))


@dataclass(frozen=True, slots=True)
class HealthyPiFrame:
    """One frame; waves in counts.

    Attributes:
        ecg: electrocardiogram, filtered by the board.
        resp: respiration by impedance.
        ppg_ir: infrared plethysmogram.
        ppg_red: red plethysmogram.
        temperature_centi: skin temperature in 0.01 degrees Celsius.
        respiration_rate: breaths per minute; 0 for none.
        spo2: percent; 0 for none.
        heart_rate: beats per minute; 0 for none.
        blood_pressure: two constants, 80 and 120: the board has no cuff. Never a sample.
        status: bit 0 set while an electrode is off.
    """

    ecg: int
    resp: int
    ppg_ir: int
    ppg_red: int
    temperature_centi: int
    respiration_rate: int
    spo2: int
    heart_rate: int
    blood_pressure: tuple[int, int] = (80, 120)
    status: int = 0

    @property
    def lead_off(self) -> bool:
        """Whether an electrode is off."""
        return bool(self.status & _LEAD_OFF)


def decode(data: bytes) -> HealthyPiFrame:
    """Decode one frame.

    Raises:
        FrameError: another length, head, type or foot, or a saturation above 100.
    """
    ecg, resp, ir, red, centi, breaths, spo2, pulse, sys, dia, status = _PAYLOAD.unpack(
        payload_of(NAME, data)
    )
    if spo2 > 100:
        raise FrameError(NAME, f"SpO2 {spo2} is above 100 percent")
    return HealthyPiFrame(ecg, resp, ir, red, centi, breaths, spo2, pulse, (sys, dia), status)


def encode(m: HealthyPiFrame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    vitals = (m.respiration_rate, m.spo2, m.heart_rate)
    waves = (m.ecg, m.resp, m.ppg_ir, m.ppg_red)
    try:
        return wrapped(
            _PAYLOAD.pack(*waves, m.temperature_centi, *vitals, *m.blood_pressure, m.status)
        )
    except struct.error as error:
        raise ValueError(f"{m} does not fit: {error}") from error


def to_json(m: HealthyPiFrame) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        ecg=m.ecg,
        resp=m.resp,
        ppg_ir=m.ppg_ir,
        ppg_red=m.ppg_red,
        temperature=m.temperature_centi / 100,
        respiration_rate=m.respiration_rate,
        spo2=m.spo2,
        heart_rate=m.heart_rate,
        lead_off=m.lead_off,
    )


def to_samples(m: HealthyPiFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """The waves of this frame and the vital signs; a 0 is a failed measurement."""
    off = Absence.NO_CONTACT if m.lead_off else None

    def vital(value: int, unit: str, lost: Absence | None = None) -> Quantity:
        return Quantity(lost or (float(value) if value else Absence.MEASUREMENT_FAILED), unit)

    send = partial(
        waveform,
        arrival,
        timestamp_ns=arrival.received_ns,
        interval_ns=arrival.interval_ns(RATE_HZ),
    )
    return (
        send("ecg", _ECG, np.array([[m.ecg, m.resp]], dtype=np.float32)),
        send("ppg", _PPG, np.array([[m.ppg_ir, m.ppg_red]], dtype=np.float32)),
        reading(
            arrival,
            "vital_signs",
            arrival.received_ns,
            heart_rate=vital(m.heart_rate, "/min", off),
            respiration_rate=vital(m.respiration_rate, "/min", off),
            spo2=vital(m.spo2, "%"),
            temperature=Quantity(m.temperature_centi / 100, "Cel"),
        ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="ProtoCentral HealthyPi v3 and v4",
        aliases=("PROTOCENTRAL_HEALTHYPI", "HEALTHYPI_V4"),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        serial=SerialLink(match=match, longest=FRAME_SIZE, baud=115200),
    ),
)
