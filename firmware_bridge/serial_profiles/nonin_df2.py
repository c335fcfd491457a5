"""Nonin OEM III and WristOx, serial data format 2: 25 frames of 5 bytes a packet, 3 a second.

OEM III Module Specification and Technical Information. Each frame has its own checksum and one
point of the plethysmogram; its fourth byte is what its place in the packet says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

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

NAME = "nonin_df2"
FRAME_SIZE = 5
FRAMES = 25
SIZE = FRAME_SIZE * FRAMES
RATE_HZ = 75.0

_START = 0x01
_NO_RATE = 511


class NoninStatus(IntFlag):
    """Bits of a frame's status; both perfusion bits together are the marginal signal."""

    SYNC = 0x01
    GOOD_PERFUSION = 0x02
    LOW_PERFUSION = 0x04
    SENSOR_ALARM = 0x08
    OUT_OF_TRACK = 0x10
    ARTIFACT = 0x20
    DISCONNECTED = 0x40
    ALWAYS = 0x80


# As plain numbers: an enumeration's operators cost most of the time that a packet takes.
_ALWAYS, _SYNC = int(NoninStatus.ALWAYS), int(NoninStatus.SYNC)

# Where the values stand, as indices of frames; two indices are the high and low part of a rate.
_HEART_RATE, _EXTENDED_RATE = (0, 1), (13, 14)
_DISPLAY_RATE, _EXTENDED_DISPLAY_RATE = (19, 20), (21, 22)
_SPO2, _REVISION, _TIMER, _STATUS_2 = 2, 3, (5, 6), 7
_SPO2_DISPLAY, _SPO2_FAST, _SPO2_BEAT = 8, 9, 10
_SPO2_EXTENDED, _SPO2_EXTENDED_DISPLAY = 15, 16

_SMART_POINT = 0x20
_LOW_BATTERY = 0x01


@dataclass(frozen=True, slots=True)
class NoninPacket:
    """One packet, a third of a second.

    Attributes:
        statuses: 25 bytes of ``NoninStatus``, one a frame; SYNC in the first alone.
        pleth: 25 points, 0 to 255.
        heart_rate: beats per minute, averaged over 4 beats.
        spo2: percent, averaged over 4 beats.
        heart_rate_extended: averaged over 8 beats, as all that is extended.
        spo2_extended: percent.
        heart_rate_display: as the module would display it.
        spo2_display: percent.
        heart_rate_extended_display: as displayed.
        spo2_extended_display: percent.
        spo2_fast: percent, without averaging over beats.
        spo2_beat: percent, of the last beat.
        revision: of the firmware.
        timer: count of the module, 14 bits.
        status_2: bits: smart point 0x20, low battery 0x01.
    """

    statuses: tuple[int, ...]
    pleth: tuple[int, ...]
    heart_rate: Value
    spo2: Value
    heart_rate_extended: Value = Absence.MEASUREMENT_FAILED
    spo2_extended: Value = Absence.MEASUREMENT_FAILED
    heart_rate_display: Value = Absence.MEASUREMENT_FAILED
    spo2_display: Value = Absence.MEASUREMENT_FAILED
    heart_rate_extended_display: Value = Absence.MEASUREMENT_FAILED
    spo2_extended_display: Value = Absence.MEASUREMENT_FAILED
    spo2_fast: Value = Absence.MEASUREMENT_FAILED
    spo2_beat: Value = Absence.MEASUREMENT_FAILED
    revision: int = 0
    timer: int = 0
    status_2: int = 0

    @property
    def flags(self) -> NoninStatus:
        """Every bit that any of the 25 frames had set."""
        together = 0
        for status in self.statuses:
            together |= status
        return NoninStatus(together)


def match(buffer: bytes | bytearray, at: int) -> int:
    """As ``SerialLink.match``; a packet with one bad frame is none."""
    end = min(at + SIZE, len(buffer))
    for frame in range(at, end, FRAME_SIZE):
        if not _may_be_frame(buffer, frame, end, first=frame == at):
            return -1
    return SIZE if end == at + SIZE else 0


def decode(data: bytes) -> NoninPacket:
    """Decode one packet.

    Raises:
        FrameError: not 125 bytes, a frame whose start, status, place or checksum is wrong, or a
            saturation above 100.
    """
    if len(data) != SIZE:
        raise FrameError(NAME, f"a packet has {SIZE} bytes, not {len(data)}")
    for frame in range(0, SIZE, FRAME_SIZE):
        if not _may_be_frame(data, frame, SIZE, first=frame == 0):
            raise FrameError(NAME, f"frame {frame // FRAME_SIZE + 1} is not one")
    told = data[3::FRAME_SIZE]

    def rate(places: tuple[int, int]) -> Value:
        return pulse_of((told[places[0]] & 0x03) << 7 | told[places[1]] & 0x7F, _NO_RATE)

    return NoninPacket(
        statuses=tuple(data[1::FRAME_SIZE]),
        pleth=tuple(data[2::FRAME_SIZE]),
        heart_rate=rate(_HEART_RATE),
        spo2=spo2_of(NAME, told[_SPO2]),
        heart_rate_extended=rate(_EXTENDED_RATE),
        spo2_extended=spo2_of(NAME, told[_SPO2_EXTENDED]),
        heart_rate_display=rate(_DISPLAY_RATE),
        spo2_display=spo2_of(NAME, told[_SPO2_DISPLAY]),
        heart_rate_extended_display=rate(_EXTENDED_DISPLAY_RATE),
        spo2_extended_display=spo2_of(NAME, told[_SPO2_EXTENDED_DISPLAY]),
        spo2_fast=spo2_of(NAME, told[_SPO2_FAST]),
        spo2_beat=spo2_of(NAME, told[_SPO2_BEAT]),
        revision=told[_REVISION],
        timer=(told[_TIMER[0]] & 0x7F) << 7 | told[_TIMER[1]] & 0x7F,
        status_2=told[_STATUS_2],
    )


def encode(m: NoninPacket) -> bytes:
    """Inverse of ``decode``; marks and synchronisation of the statuses are set here.

    Raises:
        ValueError: a value that does not fit, or not 25 of what there are 25 of.
    """
    if len(m.statuses) != FRAMES or len(m.pleth) != FRAMES:
        raise ValueError(f"a packet has {FRAMES} frames")
    told = bytearray(FRAMES)
    for (high, low), value in (
        (_HEART_RATE, m.heart_rate),
        (_EXTENDED_RATE, m.heart_rate_extended),
        (_DISPLAY_RATE, m.heart_rate_display),
        (_EXTENDED_DISPLAY_RATE, m.heart_rate_extended_display),
    ):
        word = pulse_word(value, _NO_RATE)
        told[high], told[low] = word >> 7, word & 0x7F
    for place, value in (
        (_SPO2, m.spo2),
        (_SPO2_EXTENDED, m.spo2_extended),
        (_SPO2_DISPLAY, m.spo2_display),
        (_SPO2_EXTENDED_DISPLAY, m.spo2_extended_display),
        (_SPO2_FAST, m.spo2_fast),
        (_SPO2_BEAT, m.spo2_beat),
    ):
        told[place] = spo2_byte(value)
    timer = whole("timer", m.timer, 0x3FFF)
    told[_TIMER[0]], told[_TIMER[1]] = timer >> 7, timer & 0x7F
    told[_REVISION] = whole("revision", m.revision, 0xFF)
    told[_STATUS_2] = whole("second status", m.status_2, 0xFF)
    return b"".join(_frame(m, index, byte) for index, byte in enumerate(told))


def to_json(m: NoninPacket) -> JsonFields:
    """Fields of the command line."""
    flags = m.flags
    return json_fields(
        heart_rate=m.heart_rate,
        spo2=m.spo2,
        heart_rate_extended=m.heart_rate_extended,
        spo2_extended=m.spo2_extended,
        heart_rate_display=m.heart_rate_display,
        spo2_display=m.spo2_display,
        heart_rate_extended_display=m.heart_rate_extended_display,
        spo2_extended_display=m.spo2_extended_display,
        spo2_fast=m.spo2_fast,
        spo2_beat=m.spo2_beat,
        disconnected=NoninStatus.DISCONNECTED in flags,
        artifact=NoninStatus.ARTIFACT in flags,
        out_of_track=NoninStatus.OUT_OF_TRACK in flags,
        sensor_alarm=NoninStatus.SENSOR_ALARM in flags,
        smart_point=bool(m.status_2 & _SMART_POINT),
        low_battery=bool(m.status_2 & _LOW_BATTERY),
        revision=m.revision,
        timer=m.timer,
        pleth=m.pleth,
    )


def to_samples(m: NoninPacket, arrival: Arrival) -> tuple[Sample, ...]:
    """Saturation and pulse, and 25 points of the plethysmogram."""
    lost = None
    if NoninStatus.DISCONNECTED in m.flags:
        lost = Absence.SENSOR_FAULT
    elif NoninStatus.SENSOR_ALARM in m.flags:
        lost = Absence.NO_CONTACT
    elif NoninStatus.OUT_OF_TRACK in m.flags:
        lost = Absence.SEARCHING
    return (
        oximeter_sample(arrival, m.spo2, m.heart_rate, lost),
        pleth_sample(arrival, m.pleth, RATE_HZ),
    )


def _may_be_frame(data: bytes | bytearray, at: int, end: int, *, first: bool) -> bool:
    """Whether what there is of the frame at ``at`` is as a frame is."""
    if data[at] != _START:
        return False
    if at + 1 < end:
        status = data[at + 1]
        if not status & _ALWAYS or bool(status & _SYNC) != first:
            return False
    last = at + FRAME_SIZE - 1
    return last >= end or sum(data[at:last]) & 0xFF == data[last]


def _frame(m: NoninPacket, index: int, told: int) -> bytes:
    status = whole("status", m.statuses[index], 0xFF)
    wanted = NoninStatus.ALWAYS | (NoninStatus.SYNC if index == 0 else 0)
    status = status & ~NoninStatus.SYNC | wanted
    body = bytes((_START, status, whole("pleth", m.pleth[index], 0xFF), told))
    return body + bytes((sum(body) & 0xFF,))


PROFILES = (
    Profile(
        name=NAME,
        title="Nonin, data format 2",
        aliases=("NONIN_DF2_PACKET",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        serial=SerialLink(match=match, longest=SIZE, baud=9600),
    ),
)
