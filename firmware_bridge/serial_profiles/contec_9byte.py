"""Contec CMS50D+ (firmware 4.6 and later), CMS50E, CMS50F: 9-byte frames, 60 a second.

Contec's communication protocol V7. A package is a kind with bit 7 clear, a byte of the top bits of
what follows, and up to seven bytes that travel with bit 7 set. The real-time package has kind 1;
replies to other commands are not frames of this profile and count as garbage.
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
from firmware_bridge.serial_profiles.sync_bit import match_marked_body

NAME = "contec_9byte"
SIZE = 9
RATE_HZ = 60.0

_REAL_TIME = 0x01
_COMMAND = 0x7D
_START, _STOP, _KEEP_ALIVE = 0xA1, 0xA2, 0xAF


@dataclass(frozen=True, slots=True)
class Contec9Frame:
    """One real-time package.

    Attributes:
        spo2: percent.
        pulse_rate: beats per minute.
        waveform: plethysmogram, 0 to 127.
        bargraph: 0 to 15.
        pi: perfusion index as sent; 65535 stands for none.
        pi_valid_bit: 1 where the oximeter says that it measures the index.
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
    pi: int = 0xFFFF
    pi_valid_bit: int = 0
    signal_strength: int = 0
    searching_too_long: bool = False
    low_spo2: bool = False
    pulse_beep: bool = False
    probe_error: bool = False
    searching: bool = False


match = partial(match_marked_body, size=SIZE, kind=_REAL_TIME)


def decode(data: bytes) -> Contec9Frame:
    """Decode one real-time package.

    Raises:
        FrameError: not nine bytes, another kind, bit 7 where it may not be, or a saturation above
            100.
    """
    if len(data) != SIZE or match(data, 0) != SIZE:
        raise FrameError(NAME, f"{bytes(data[:16]).hex()} is no real-time package")
    status, wave, bar, pulse, spo2, pi_low, pi_high = _unpacked(data)
    return Contec9Frame(
        spo2=spo2_of(NAME, spo2),
        pulse_rate=pulse_of(pulse),
        waveform=wave & 0x7F,
        bargraph=bar & 0x0F,
        pi=pi_low | pi_high << 8,
        pi_valid_bit=bar >> 4 & 1,
        signal_strength=status & 0x0F,
        searching_too_long=bool(status & 0x10),
        low_spo2=bool(status & 0x20),
        pulse_beep=bool(status & 0x40),
        probe_error=bool(status & 0x80),
        searching=bool(wave & 0x80),
    )


def encode(m: Contec9Frame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    status = whole("signal strength", m.signal_strength, 15)
    status |= m.searching_too_long << 4 | m.low_spo2 << 5 | m.pulse_beep << 6 | m.probe_error << 7
    pi = whole("perfusion index", m.pi, 0xFFFF)
    return _packed(
        _REAL_TIME,
        (
            status,
            whole("waveform", m.waveform, 127) | m.searching << 7,
            whole("bar graph", m.bargraph, 15) | whole("PI valid", m.pi_valid_bit, 1) << 4,
            pulse_word(m.pulse_rate),
            spo2_byte(m.spo2),
            pi & 0xFF,
            pi >> 8,
        ),
    )


def to_json(m: Contec9Frame) -> JsonFields:
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
        pi_valid_bit=m.pi_valid_bit,
        pulse_rate=m.pulse_rate,
        spo2=m.spo2,
        pi=m.pi,
    )


def to_samples(m: Contec9Frame, arrival: Arrival) -> tuple[Sample, ...]:
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


def command(code: int) -> bytes:
    """A command package; the oximeter answers START with real-time packages."""
    return _packed(_COMMAND, (code, 0, 0, 0, 0, 0, 0))


def _unpacked(data: bytes) -> tuple[int, ...]:
    tops = data[1]
    return tuple(byte & 0x7F | (tops >> index & 1) << 7 for index, byte in enumerate(data[2:]))


def _packed(kind: int, content: tuple[int, ...]) -> bytes:
    tops = 0x80
    for index, byte in enumerate(content):
        tops |= (byte >> 7) << index
    return bytes((kind, tops, *(byte | 0x80 for byte in content)))


PROFILES = (
    Profile(
        name=NAME,
        title="Contec CMS50D+, 9-byte frames",
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        serial=SerialLink(
            match=match,
            longest=SIZE,
            baud=115200,
            start=command(_START),
            stop=command(_STOP),
            keep_alive=command(_KEEP_ALIVE),
            keep_alive_s=5.0,
        ),
    ),
)
