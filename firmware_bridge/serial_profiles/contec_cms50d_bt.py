"""Contec CMS50D-BT over BLE: values once a second, the plethysmogram in between.

The layout is not published; it is that of captures (github.com/tobiasisenberg/OxiVis, issue 2).
The last byte is the sum of those before it, modulo 128.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import GattLink, JsonFields, Profile, SerialLink, json_fields
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

NAME = "contec_cms50d_bt"
RATE_HZ = 60.0

_HEAD = 0xEB
_WAVEFORM, _PARAMS = 0, 1
_SIZES = {_WAVEFORM: 6, _PARAMS: 8}
_BEAT = 0x40
# The captures never showed other bytes between the saturation and the checksum.
_FILLER = b"\x7f\x00"


@dataclass(frozen=True, slots=True)
class ContecBtParams:
    """Saturation in percent, pulse a minute, and a status byte whose meaning is not known."""

    spo2: Value
    pulse_rate: Value
    status: int = 0


@dataclass(frozen=True, slots=True)
class ContecBtWaveform:
    """One point of the plethysmogram, the bar beside it, and whether it is a beat."""

    waveform: int
    bargraph: int
    status: int = 0

    @property
    def pulse_beep(self) -> bool:
        """Whether a beat was found at this point."""
        return bool(self.status & _BEAT)


ContecBt = ContecBtParams | ContecBtWaveform


def match(buffer: bytes | bytearray, at: int) -> int:
    """As ``SerialLink.match``."""
    if buffer[at] != _HEAD:
        return -1
    if len(buffer) < at + 2:
        return 0
    size = _SIZES.get(buffer[at + 1])
    if size is None:
        return -1
    if len(buffer) < at + size:
        return 0
    last = at + size - 1
    return size if sum(buffer[at:last]) & 0x7F == buffer[last] else -1


def decode(data: bytes) -> ContecBt:
    """Decode one notification.

    Raises:
        FrameError: another head, kind or length, a wrong checksum, or a saturation above 100.
    """
    if not data or match(data, 0) != len(data):
        raise FrameError(NAME, f"{bytes(data[:16]).hex()} is no notification")
    status = data[2]
    if data[1] == _WAVEFORM:
        return ContecBtWaveform(waveform=data[3], bargraph=data[4], status=status)
    return ContecBtParams(spo2=spo2_of(NAME, data[4]), pulse_rate=pulse_of(data[3]), status=status)


def encode(m: ContecBt) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    status = whole("status", m.status, 0xFF)
    if isinstance(m, ContecBtWaveform):
        points = (whole("waveform", m.waveform, 0xFF), whole("bar graph", m.bargraph, 0xFF))
        body = bytes((_HEAD, _WAVEFORM, status, *points))
    else:
        values = (pulse_word(m.pulse_rate), spo2_byte(m.spo2))
        body = bytes((_HEAD, _PARAMS, status, *values)) + _FILLER
    return body + bytes((sum(body) & 0x7F,))


def to_json(m: ContecBt) -> JsonFields:
    """Fields of the command line."""
    if isinstance(m, ContecBtWaveform):
        return json_fields(
            kind="waveform",
            status=m.status,
            pulse_beep=m.pulse_beep,
            waveform=m.waveform,
            bargraph=m.bargraph,
        )
    return json_fields(kind="params", status=m.status, pulse_rate=m.pulse_rate, spo2=m.spo2)


def to_samples(m: ContecBt, arrival: Arrival) -> tuple[Sample, ...]:
    """Saturation and pulse, or one point of the plethysmogram."""
    if isinstance(m, ContecBtWaveform):
        return (pleth_sample(arrival, (m.waveform,), RATE_HZ),)
    nothing = isinstance(m.spo2, Absence) and isinstance(m.pulse_rate, Absence)
    lost = Absence.NO_CONTACT if nothing else None
    return (oximeter_sample(arrival, m.spo2, m.pulse_rate, lost),)


PROFILES = (
    Profile(
        name=NAME,
        title="Contec CMS50D-BT",
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=GattLink(
            sig_uuid(0xFF12),
            sig_uuid(0xFF02),
            start=((sig_uuid(0xFF01), b"\x9b\x01\x1c"),),
            interval_s=1.0,
        ),
        serial=SerialLink(match=match, longest=8, baud=115200),
    ),
)
