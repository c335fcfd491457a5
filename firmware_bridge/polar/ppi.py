"""Polar pulse-to-pulse intervals (PMD type 3): six octets a beat, optical sensors."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.gatt.octets import OctetReader
from firmware_bridge.polar.control_point import start
from firmware_bridge.polar.pmd import PmdType, open_frame, open_writer, pmd_link, unix_ns
from firmware_bridge.profile import JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "polar_ppi"

_BEAT_SIZE = 6
_BLOCKER = 0x01
_CONTACT = 0x02
_CONTACT_SUPPORTED = 0x04
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Beat:
    """One interval.

    Attributes:
        heart_rate: beats per minute; 0 while there is none.
        interval_ms: from pulse to pulse.
        error_ms: how far the interval may be off.
        blocker: the wearer moved: the interval means nothing.
        contact: whether the sensor touches skin; None where it cannot tell.
    """

    heart_rate: int
    interval_ms: int
    error_ms: int
    blocker: bool = False
    contact: bool | None = None


@dataclass(frozen=True, slots=True)
class PpiFrame:
    """One notification: time of the last beat in nanoseconds since 2000 (0: unknown), the beats."""

    timestamp_ns: int
    beats: tuple[Beat, ...]


def decode(data: bytes) -> PpiFrame:
    """Decode one notification.

    Raises:
        FrameError: another measurement or frame type, no beat, or one cut short.
    """
    octets = OctetReader(NAME, data)
    timestamp_ns, frame_type, compressed = open_frame(octets, PmdType.PPI)
    if frame_type or compressed:
        raise octets.refuse(f"frame type {frame_type}, compressed {compressed}")
    count, rest = divmod(octets.left, _BEAT_SIZE)
    if rest or not count:
        raise octets.refuse(f"{octets.left} octets are no whole beats")
    return PpiFrame(timestamp_ns, tuple(_beat(octets) for _ in range(count)))


def encode(m: PpiFrame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: no beat, or a value that does not fit.
    """
    if not m.beats:
        raise ValueError("a frame has at least one beat")
    octets = open_writer(PmdType.PPI, m.timestamp_ns, 0, compressed=False)
    for beat in m.beats:
        octets.u8("heart rate", beat.heart_rate)
        octets.u16("interval", beat.interval_ms)
        octets.u16("error estimate", beat.error_ms)
        flags = _BLOCKER if beat.blocker else 0
        if beat.contact is not None:
            flags |= _CONTACT_SUPPORTED | (_CONTACT if beat.contact else 0)
        octets.u8("flags", flags)
    return octets.finish()


def to_json(m: PpiFrame) -> JsonFields:
    """Fields of the command line."""
    beats = [
        json_fields(
            heart_rate=beat.heart_rate,
            interval_ms=beat.interval_ms,
            error_ms=beat.error_ms,
            blocker=beat.blocker,
            contact_supported=beat.contact is not None,
            contact=beat.contact,
        )
        for beat in m.beats
    ]
    return {"timestamp_ns": m.timestamp_ns, "samples": beats}


def to_samples(m: PpiFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading a beat, stamped with its end; the last ends at the time of the frame."""
    beat_ns = unix_ns(m.timestamp_ns, arrival)
    beat_ns -= sum(beat.interval_ms for beat in m.beats) * _NS_PER_MS
    samples = []
    for beat in m.beats:
        beat_ns += beat.interval_ms * _NS_PER_MS
        samples.append(_sample(beat, arrival, beat_ns))
    return tuple(samples)


def _beat(octets: OctetReader) -> Beat:
    rate = octets.u8("heart rate")
    interval_ms, error_ms = octets.u16("interval"), octets.u16("error estimate")
    flags = octets.u8("flags")
    contact = bool(flags & _CONTACT) if flags & _CONTACT_SUPPORTED else None
    return Beat(rate, interval_ms, error_ms, bool(flags & _BLOCKER), contact)


def _sample(beat: Beat, arrival: Arrival, at_ns: int) -> Sample:
    lost = None
    if beat.contact is False:
        lost = Absence.NO_CONTACT
    elif beat.blocker:
        lost = Absence.MEASUREMENT_FAILED

    def trusted(value: int, unit: str) -> Quantity:
        return Quantity(lost or (float(value) if value else Absence.MEASUREMENT_FAILED), unit)

    return reading(
        arrival,
        "ppi",
        at_ns,
        ppi=trusted(beat.interval_ms, "ms"),
        heart_rate=trusted(beat.heart_rate, "/min"),
    )


PROFILES = (
    Profile(
        name=NAME,
        title="Polar pulse-to-pulse intervals",
        aliases=("POLAR_PMD_PPI",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=pmd_link(start(PmdType.PPI)),
    ),
)
