"""The frame of Polar Measurement Data that every stream shares (Polar BLE SDK, PMD data frame).

One octet of measurement type, 64-bit time stamp of the last reading in nanoseconds since 2000, one
octet of frame type whose bit 7 says that the readings are delta coded, then the readings.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.polar.delta import decode_delta, encode_delta
from firmware_bridge.profile import GattLink, JsonFields, json_fields
from firmware_bridge.sample import Channel, Sample
from firmware_bridge.sampling import Arrival, waveform

SERVICE = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

_COMPRESSED = 0x80
_EPOCH_NS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


class PmdType(IntEnum):
    """Measurement types that are decoded here."""

    ECG = 0
    PPG = 1
    ACC = 2
    PPI = 3
    GYRO = 5


@dataclass(frozen=True, slots=True)
class Layout:
    """How one frame type lays out a reading: channels, octets of a value, IEEE 754 or integer."""

    channels: int
    size: int
    is_float: bool = False


Layouts = Mapping[tuple[int, bool], Layout]
"""(frame type, delta coded) -> layout."""


@dataclass(frozen=True, slots=True)
class PmdFrame:
    """One notification of an evenly sampled stream.

    Attributes:
        kind: what was measured.
        timestamp_ns: time of the last reading, nanoseconds since 2000 on the sensor's clock.
        frame_type: 0 to 127.
        compressed: whether the readings came delta coded.
        readings: at least one, oldest first; each the counts (or floats) of its channels.
    """

    kind: PmdType
    timestamp_ns: int
    frame_type: int
    compressed: bool
    readings: tuple[tuple[float, ...], ...]


def open_frame(octets: OctetReader, kind: PmdType) -> tuple[int, int, bool]:
    """Time stamp, frame type and whether delta coded, of a frame that must be of ``kind``.

    Raises:
        FrameError: too short, or of another measurement type.
    """
    found = octets.u8("measurement type")
    if found != kind:
        raise octets.refuse(f"measurement type {found}, not {kind.value}")
    timestamp_ns = octets.unsigned("time stamp", 8)
    kind_of_frame = octets.u8("frame type")
    return timestamp_ns, kind_of_frame & ~_COMPRESSED, bool(kind_of_frame & _COMPRESSED)


def open_writer(
    kind: PmdType, timestamp_ns: int, frame_type: int, *, compressed: bool
) -> OctetWriter:
    """Inverse of ``open_frame``: a writer that the readings go to.

    Raises:
        ValueError: a field that does not fit.
    """
    if not 0 <= frame_type < _COMPRESSED:
        raise ValueError(f"frame type {frame_type}")
    octets = OctetWriter()
    octets.u8("measurement type", kind)
    octets.unsigned("time stamp", timestamp_ns, 8)
    octets.u8("frame type", frame_type | (_COMPRESSED if compressed else 0))
    return octets


def decode_pmd(profile: str, kind: PmdType, layouts: Layouts, data: bytes) -> PmdFrame:
    """Decode one notification.

    Raises:
        FrameError: another measurement type, a frame type without a layout, readings cut short or
            none at all, or a float that is no number.
    """
    octets = OctetReader(profile, data)
    timestamp_ns, frame_type, compressed = open_frame(octets, kind)
    layout = layouts.get((frame_type, compressed))
    if layout is None:
        how = "compressed" if compressed else "raw"
        raise octets.refuse(f"{how} frames of type {frame_type} are not supported")
    if compressed:
        counts = decode_delta(octets, layout.channels, layout.size)
    else:
        counts = _raw(octets, layout)
    readings = tuple(_floats(octets, row) for row in counts) if layout.is_float else counts
    return PmdFrame(kind, timestamp_ns, frame_type, compressed, readings)


def encode_pmd(layouts: Layouts, m: PmdFrame) -> bytes:
    """Inverse of ``decode_pmd``.

    Raises:
        ValueError: no layout, readings that do not fit it, or more than an attribute holds.
    """
    layout = layouts.get((m.frame_type, m.compressed))
    if layout is None:
        raise ValueError(f"frames of type {m.frame_type} have no layout")
    if not m.readings or any(len(row) != layout.channels for row in m.readings):
        raise ValueError(f"a frame has readings of {layout.channels} channels")
    octets = open_writer(m.kind, m.timestamp_ns, m.frame_type, compressed=m.compressed)
    counts = tuple(_bits(row) if layout.is_float else _whole(row) for row in m.readings)
    if m.compressed:
        encode_delta(octets, counts, layout.size)
    else:
        for value in (value for row in counts for value in row):
            octets.signed("reading", value, layout.size)
    return octets.finish()


def pmd_json(m: PmdFrame) -> JsonFields:
    """Fields of the command line: counts as the sensor sent them."""
    single = len(m.readings[0]) == 1
    return json_fields(
        timestamp_ns=m.timestamp_ns,
        frame_type=m.frame_type,
        compressed=m.compressed,
        samples=tuple(row[0] for row in m.readings) if single else m.readings,
    )


def pmd_sample(
    m: PmdFrame,
    arrival: Arrival,
    stream: str,
    channels: tuple[Channel, ...],
    values: NDArray[np.float32],
    usual_rate_hz: float,
) -> Sample:
    """The frame as one sample.

    Args:
        m: the frame; its time is that of the last reading, or the arrival where it is 0.
        arrival: gives the rate, which the frame does not carry.
        stream: name of the stream.
        channels: the C channels of a reading.
        values: float32[n, C].
        usual_rate_hz: rate where none was negotiated.
    """
    interval_ns = arrival.interval_ns(usual_rate_hz)
    last_ns = unix_ns(m.timestamp_ns, arrival)
    return waveform(
        arrival,
        stream,
        channels,
        values,
        timestamp_ns=last_ns - (len(m.readings) - 1) * interval_ns,
        interval_ns=interval_ns,
    )


def unix_ns(timestamp_ns: int, arrival: Arrival) -> int:
    """Unix nanoseconds of a PMD time stamp; optical sensors send 0 where they have none."""
    return timestamp_ns + _EPOCH_NS if timestamp_ns else arrival.received_ns


def values_of(m: PmdFrame, scale: float) -> NDArray[np.float32]:
    """float32[n, C] of the readings times ``scale``, kept finite whatever the scale is."""
    most = float(np.finfo(np.float32).max)
    return np.clip(np.array(m.readings, dtype=np.float64) * scale, -most, most).astype(np.float32)


def pmd_link(*starts: bytes) -> GattLink:
    """Where PMD lives; ``starts`` are written to the control point once subscribed."""
    # PPI is the slowest: a frame every few seconds.
    return GattLink(
        SERVICE, DATA, start=tuple((CONTROL, start) for start in starts), interval_s=5.0
    )


def _raw(octets: OctetReader, layout: Layout) -> tuple[tuple[int, ...], ...]:
    count, rest = divmod(octets.left, layout.channels * layout.size)
    if rest or not count:
        raise octets.refuse(f"{octets.left} octets are no whole readings")
    return tuple(
        tuple(octets.signed("reading", layout.size) for _ in range(layout.channels))
        for _ in range(count)
    )


def _floats(octets: OctetReader, row: tuple[int, ...]) -> tuple[float, ...]:
    values: tuple[float, ...] = struct.unpack(f"<{len(row)}f", struct.pack(f"<{len(row)}i", *row))
    if not all(map(math.isfinite, values)):
        raise octets.refuse("a reading is no finite number")
    return values


def _bits(row: tuple[float, ...]) -> tuple[int, ...]:
    try:
        return struct.unpack(f"<{len(row)}i", struct.pack(f"<{len(row)}f", *row))
    except OverflowError as error:
        raise ValueError(f"{row} does not fit 32-bit floats") from error


def _whole(row: tuple[float, ...]) -> tuple[int, ...]:
    if any(value != int(value) for value in row):
        raise ValueError(f"{row} are no counts")
    return tuple(int(value) for value in row)
