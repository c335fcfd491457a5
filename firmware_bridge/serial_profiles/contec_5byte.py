"""Contec CMS50D+ (firmware before 4.6) and CMS50E: 5-byte frames, 60 a second.

Contec's communication protocol for pulse oximeters. Bit 7 marks the first byte of a frame. The
layout resembles BCI's, the flags do not mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from firmware_bridge.errors import FrameError
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import JsonFields, Profile, SerialLink, json_fields
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.oximetry import (
    oximeter_sample,
    pleth_sample,
    pulse_of,
    pulse_word,
    spo2_byte,
    spo2_of,
    whole,
)
from firmware_bridge.serial_profiles.sync_bit import match_marked_head

NAME = "contec_5byte"
SIZE = 5
RATE_HZ = 60.0


@dataclass(frozen=True, slots=True)
class Contec5Frame:
    """One frame.

    Attributes:
        spo2: percent.
        pulse_rate: beats per minute.
        waveform: plethysmogram, 0 to 127.
        bargraph: 0 to 15.
        signal_strength: 0 to 15; 15 stands for none.
        searching_too_long: no pulse was found for long, mostly because no finger is there.
        low_spo2: the saturation falls.
        pulse_beep: a beat was found in this frame.
        probe_error: the probe is broken or not connected.
        searching: the oximeter looks for a pulse.
    """

    spo2: Value
    pulse_rate: Value
    waveform: int = 0
    bargraph: int = 0
    signal_strength: int = 0
    searching_too_long: bool = False
    low_spo2: bool = False
    pulse_beep: bool = False
    probe_error: bool = False
    searching: bool = False


match = partial(match_marked_head, size=SIZE)


def decode(data: bytes) -> Contec5Frame:
    """Decode one frame.

    Raises:
        FrameError: not five bytes, bit 7 where it may not be, or a saturation above 100.
    """
    if len(data) != SIZE or match(data, 0) != SIZE:
        raise FrameError(NAME, f"{bytes(data[:16]).hex()} is no frame of {SIZE} bytes")
    status, wave, bar, pulse, spo2 = data
    return Contec5Frame(
        spo2=spo2_of(NAME, spo2),
        pulse_rate=pulse_of(pulse | (bar & 0x40) << 1),
        waveform=wave,
        bargraph=bar & 0x0F,
        signal_strength=status & 0x0F,
        searching_too_long=bool(status & 0x10),
        low_spo2=bool(status & 0x20),
        pulse_beep=bool(status & 0x40),
        probe_error=bool(bar & 0x10),
        searching=bool(bar & 0x20),
    )


def encode(m: Contec5Frame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    pulse = pulse_word(m.pulse_rate)
    status = 0x80 | whole("signal strength", m.signal_strength, 15)
    status |= m.searching_too_long << 4 | m.low_spo2 << 5 | m.pulse_beep << 6
    bar = whole("bar graph", m.bargraph, 15) | m.probe_error << 4 | m.searching << 5
    return bytes(
        (
            status,
            whole("waveform", m.waveform, 127),
            bar | (pulse & 0x80) >> 1,
            pulse & 0x7F,
            spo2_byte(m.spo2),
        )
    )


def to_json(m: Contec5Frame) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        signal_strength=m.signal_strength,
        searching_too_long=m.searching_too_long,
        low_spo2=m.low_spo2,
        pulse_beep=m.pulse_beep,
        probe_error=m.probe_error,
        waveform=m.waveform,
        searching=m.searching,
        bargraph=m.bargraph,
        pulse_rate=m.pulse_rate,
        spo2=m.spo2,
    )


def to_samples(m: Contec5Frame, arrival: Arrival) -> tuple[Sample, ...]:
    """Saturation and pulse, and one point of the plethysmogram."""
    lost = None
    if m.probe_error:
        lost = Absence.SENSOR_FAULT
    elif m.searching_too_long:
        lost = Absence.NO_CONTACT
    elif m.searching:
        lost = Absence.SEARCHING
    return (
        oximeter_sample(arrival, m.spo2, m.pulse_rate, lost),
        pleth_sample(arrival, (m.waveform,), RATE_HZ),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Contec CMS50D+, 5-byte frames",
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        serial=SerialLink(match=match, longest=SIZE, baud=19200, parity="O"),
    ),
)
