"""ProtoCentral HealthyPi 5, streaming firmware: the envelope of v4 around wider waves.

The OpenView packet as the board's RP2040 firmware fills it: ECG and bioimpedance as 32-bit counts,
a mark where the bioimpedance was skipped, infrared and red plethysmogram, two bytes unused, SpO2.
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

NAME = "healthypi5"
RATE_HZ = 125.0

_PAYLOAD = struct.Struct("<iiBii2xB")
_SKIPPED = 0xFF
_ECG = (Channel("ecg", "{count}"),)
_RESP = (Channel("resp", "{count}"),)
_PPG = (Channel("ppg_ir", "{count}"), Channel("ppg_red", "{count}"))


@dataclass(frozen=True, slots=True)
class HealthyPi5Frame:
    """One frame; waves in counts.

    Attributes:
        ecg: electrocardiogram.
        resp: bioimpedance; None where this frame has none, which is every other one.
        ppg_ir: infrared plethysmogram.
        ppg_red: red plethysmogram.
        spo2: percent; 0 for none.
    """

    ecg: int
    resp: int | None
    ppg_ir: int
    ppg_red: int
    spo2: int


def decode(data: bytes) -> HealthyPi5Frame:
    """Decode one frame.

    Raises:
        FrameError: another length, head, type or foot, an unknown mark, or a saturation above 100.
    """
    ecg, resp, skipped, ir, red, spo2 = _PAYLOAD.unpack(payload_of(NAME, data))
    if skipped not in (0, _SKIPPED):
        raise FrameError(NAME, f"bioimpedance mark {skipped:#04x}")
    if spo2 > 100:
        raise FrameError(NAME, f"SpO2 {spo2} is above 100 percent")
    return HealthyPi5Frame(ecg, None if skipped else resp, ir, red, spo2)


def encode(m: HealthyPi5Frame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    skipped = _SKIPPED if m.resp is None else 0
    try:
        return wrapped(_PAYLOAD.pack(m.ecg, m.resp or 0, skipped, m.ppg_ir, m.ppg_red, m.spo2))
    except struct.error as error:
        raise ValueError(f"{m} does not fit: {error}") from error


def to_json(m: HealthyPi5Frame) -> JsonFields:
    """Fields of the command line."""
    return json_fields(ecg=m.ecg, resp=m.resp, ppg_ir=m.ppg_ir, ppg_red=m.ppg_red, spo2=m.spo2)


def to_samples(m: HealthyPi5Frame, arrival: Arrival) -> tuple[Sample, ...]:
    """The waves of this frame and the saturation; a 0 is a failed measurement."""
    interval_ns = arrival.interval_ns(RATE_HZ)
    send = partial(waveform, arrival, timestamp_ns=arrival.received_ns)
    samples = [
        send("ecg", _ECG, np.array([[m.ecg]], dtype=np.float32), interval_ns=interval_ns),
        send(
            "ppg",
            _PPG,
            np.array([[m.ppg_ir, m.ppg_red]], dtype=np.float32),
            interval_ns=interval_ns,
        ),
        reading(
            arrival,
            "pulse_oximeter",
            arrival.received_ns,
            spo2=Quantity(float(m.spo2) if m.spo2 else Absence.MEASUREMENT_FAILED, "%"),
        ),
    ]
    if m.resp is not None:
        resp = np.array([[m.resp]], dtype=np.float32)
        samples.append(send("resp", _RESP, resp, interval_ns=2 * interval_ns))
    return tuple(samples)


PROFILES = (
    Profile(
        name=NAME,
        title="ProtoCentral HealthyPi 5",
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        serial=SerialLink(match=match, longest=FRAME_SIZE, baud=115200),
    ),
)
