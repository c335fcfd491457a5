"""BCI: the 5-byte frames of Berry and many unnamed pulse oximeters, serial and BLE.

BCI protocol 1.2 of Shanghai Berry Electronic. Bit 7 marks the first byte of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from firmware_bridge.errors import FrameError
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
from firmware_bridge.serial_profiles.sync_bit import match_marked_head

NAME = "bci_5byte"
SIZE = 5
RATE_HZ = 100.0


@dataclass(frozen=True, slots=True)
class BciFrame:
    """One frame.

    Attributes:
        spo2: percent.
        pulse_rate: beats per minute.
        pleth: 0 to 127.
        bargraph: 0 to 15.
        signal_strength: 0 to 15.
        no_signal: no signal at all.
        probe_unplugged: the probe is not connected.
        pulse_beep: a beat was found in this frame.
        no_finger: the probe is on nothing.
        searching: the oximeter looks for a pulse.
    """

    spo2: Value
    pulse_rate: Value
    pleth: int = 0
    bargraph: int = 0
    signal_strength: int = 0
    no_signal: bool = False
    probe_unplugged: bool = False
    pulse_beep: bool = False
    no_finger: bool = False
    searching: bool = False


match = partial(match_marked_head, size=SIZE)


def decode(data: bytes) -> BciFrame:
    """Decode one frame.

    Raises:
        FrameError: not five bytes, bit 7 where it may not be, or a saturation above 100.
    """
    if len(data) != SIZE or match(data, 0) != SIZE:
        raise FrameError(NAME, f"{bytes(data[:16]).hex()} is no frame of {SIZE} bytes")
    status, pleth, bar, pulse, spo2 = data
    return BciFrame(
        spo2=spo2_of(NAME, spo2),
        pulse_rate=pulse_of(pulse | (bar & 0x40) << 1),
        pleth=pleth,
        bargraph=bar & 0x0F,
        signal_strength=status & 0x0F,
        no_signal=bool(status & 0x10),
        probe_unplugged=bool(status & 0x20),
        pulse_beep=bool(status & 0x40),
        no_finger=bool(bar & 0x10),
        searching=bool(bar & 0x20),
    )


def encode(m: BciFrame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    pulse = pulse_word(m.pulse_rate)
    status = 0x80 | whole("signal strength", m.signal_strength, 15)
    status |= m.no_signal << 4 | m.probe_unplugged << 5 | m.pulse_beep << 6
    bar = whole("bar graph", m.bargraph, 15) | m.no_finger << 4 | m.searching << 5
    return bytes(
        (
            status,
            whole("pleth", m.pleth, 127),
            bar | (pulse & 0x80) >> 1,
            pulse & 0x7F,
            spo2_byte(m.spo2),
        )
    )


def to_json(m: BciFrame) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        signal_strength=m.signal_strength,
        no_signal=m.no_signal,
        probe_unplugged=m.probe_unplugged,
        pulse_beep=m.pulse_beep,
        pleth=m.pleth,
        bargraph=m.bargraph,
        no_finger=m.no_finger,
        searching=m.searching,
        pulse_rate=m.pulse_rate,
        spo2=m.spo2,
    )


def to_samples(m: BciFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """Saturation and pulse, and one point of the plethysmogram."""
    return (
        oximeter_sample(arrival, m.spo2, m.pulse_rate, _lost(m)),
        pleth_sample(arrival, (m.pleth,), RATE_HZ),
    )


def _lost(m: BciFrame) -> Absence | None:
    if m.probe_unplugged:
        return Absence.SENSOR_FAULT
    if m.no_finger or m.no_signal:
        return Absence.NO_CONTACT
    return Absence.SEARCHING if m.searching else None


PROFILES = (
    Profile(
        name=NAME,
        title="BCI pulse oximeter",
        aliases=("BERRY_BM1000",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        # A notification carries several frames; they are cut with the serial link's match.
        gatt=GattLink(
            "49535343-fe7d-4ae5-8fa9-9fafd205e455",
            "49535343-1e4d-4bd9-ba61-23c647249616",
            interval_s=1.0,
        ),
        serial=SerialLink(match=match, longest=SIZE, baud=115200),
    ),
)
