"""Our own serial frame: three messages as CBOR maps with small integer keys (docs/frame.md).

A sensor repeats its state, which is each stream's description and the latest mark, about once a
second, so that a gateway may be plugged in at any time; batches are sent once.

The CBOR is what a microcontroller writes without allocation: unsigned integers in their shortest
form, byte and text strings, arrays, maps and null, all of definite length; no tag, no float.
Each message has exactly one encoding and the decoder accepts no other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cbor2

from firmware_bridge.errors import FrameError
from firmware_bridge.frame_envelope import PROFILE, seal, unseal
from firmware_bridge.sample import Channel

VERSION: Final = 1

# An ECG front end has 8 or 12 leads, two IMUs have 18 axes less the six that repeat.
MAX_CHANNELS = 16
# Names and units stand in flash on the sensor and in every log line here.
MAX_NAME_BYTES = 24
MAX_UNIT_BYTES = 16
MAX_LABEL_BYTES = 64
# With the 28 bytes around them, these still fit one frame.
MAX_READINGS_BYTES = 4032
# A day between two readings; Unix time up to the year 2116. Their sum fits an int64.
MAX_INTERVAL_NS = 86_400 * 10**9
MAX_TIMESTAMP_NS = 2**62
# So that no int16 reading overflows float32.
MAX_SCALE = 2.0**100
SEQUENCE_MODULUS = 2**32
_MAX_STREAM_ID = 255

_DESCRIPTION, _BATCH, _MARK = 0, 1, 2
_KEYS = list(range(7))


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What the readings of a stream are: physical value = raw x scale of its channel.

    Attributes:
        stream_id: 0..255, chosen by the sensor.
        name: what the sensor calls the stream, such as ``"imu"``.
        interval_ns: time between two readings; 0 for single, aperiodic readings.
        channels: 1..16 channels of a reading.
        scales: one per channel, in (0, 2**100], each exactly a float32.

    Raises:
        ValueError: a field is outside what a frame can carry.
    """

    stream_id: int
    name: str
    interval_ns: int
    channels: tuple[Channel, ...]
    scales: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_range("stream id", self.stream_id, _MAX_STREAM_ID)
        _check_text("stream name", self.name, MAX_NAME_BYTES)
        _check_range("interval", self.interval_ns, MAX_INTERVAL_NS)
        if not 1 <= len(self.channels) <= MAX_CHANNELS:
            raise ValueError(f"{len(self.channels)} channels, not 1 to {MAX_CHANNELS}")
        for channel in self.channels:
            _check_text("channel name", channel.name, MAX_NAME_BYTES)
            _check_text("unit", channel.unit, MAX_UNIT_BYTES)
        if len(self.scales) != len(self.channels):
            raise ValueError(f"{len(self.scales)} scales for {len(self.channels)} channels")
        for scale in self.scales:
            _check_scale(scale)


@dataclass(frozen=True, slots=True)
class Batch:
    """Evenly spaced readings of one stream.

    Attributes:
        stream_id: which stream.
        sequence: counts the batches of the stream, modulo 2**32.
        timestamp_ns: time of the first reading on the sensor's clock.
        readings: little-endian int16[n, C], row by row; C stands in the description.

    Raises:
        ValueError: a field is outside what a frame can carry.
    """

    stream_id: int
    sequence: int
    timestamp_ns: int
    readings: bytes

    def __post_init__(self) -> None:
        _check_range("stream id", self.stream_id, _MAX_STREAM_ID)
        _check_range("sequence", self.sequence, SEQUENCE_MODULUS - 1)
        _check_range("time stamp", self.timestamp_ns, MAX_TIMESTAMP_NS)
        size = len(self.readings)
        if not 2 <= size <= MAX_READINGS_BYTES or size % 2:
            raise ValueError(f"{size} bytes of int16 readings, not 2 to {MAX_READINGS_BYTES}")


@dataclass(frozen=True, slots=True)
class MarkMessage:
    """From ``timestamp_ns`` on, the wearer does ``label``; ``None`` ends it.

    Attributes:
        sequence: counts the marks of the sensor, modulo 2**32; a repeated mark keeps its own.
        timestamp_ns: on the sensor's clock.
        label: 1 to 64 bytes of UTF-8, or None.

    Raises:
        ValueError: a field is outside what a frame can carry.
    """

    sequence: int
    timestamp_ns: int
    label: str | None

    def __post_init__(self) -> None:
        _check_range("sequence", self.sequence, SEQUENCE_MODULUS - 1)
        _check_range("time stamp", self.timestamp_ns, MAX_TIMESTAMP_NS)
        if self.label is not None:
            _check_text("label", self.label, MAX_LABEL_BYTES)


Message = StreamDescription | Batch | MarkMessage


def encode_frame(message: Message) -> bytes:
    """The frame of a message, with the zero byte that ends it; at most MAX_FRAME_BYTES."""
    return seal(encode_payload(message))


def decode_frame(line: bytes) -> Message:
    """The message of a frame without its zero byte.

    Raises:
        FrameError: the bytes are not exactly what ``encode_frame`` writes.
    """
    return decode_payload(unseal(line))


def encode_payload(message: Message) -> bytes:
    """The CBOR of a message, without envelope."""
    match message:
        case Batch():
            kind, fields = _BATCH, _batch_fields(message)
        case StreamDescription():
            kind, fields = _DESCRIPTION, _description_fields(message)
        case MarkMessage():
            kind, fields = _MARK, [message.sequence, message.timestamp_ns, message.label]
    return cbor2.dumps(dict(enumerate([VERSION, kind, *fields])))


def decode_payload(payload: bytes) -> Message:
    """The message of a payload.

    Raises:
        FrameError: the bytes are not exactly what ``encode_payload`` writes.
    """
    kind, fields = _fields_of(_load(payload))
    decode = _DECODERS.get(kind) if type(kind) is int else None
    if decode is None:
        raise FrameError(PROFILE, f"unknown kind {kind!r:.20}")
    try:
        message = decode(fields)
    except ValueError as error:
        raise FrameError(PROFILE, str(error)) from error
    # One comparison refuses what is left: long integers, half floats, another order of keys.
    if encode_payload(message) != payload:
        raise FrameError(PROFILE, "not the shortest definite-length encoding")
    return message


def _load(payload: bytes) -> object:
    try:
        return cbor2.loads(
            payload,
            semantic_decoders=_NO_TAGS,
            max_depth=3,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    # A ValueError is cbor2's word on trailing bytes and bad UTF-8 in some of its versions.
    except (cbor2.CBORError, ValueError) as error:
        raise FrameError(PROFILE, f"not CBOR: {error}") from error


def _fields_of(loaded: object) -> tuple[object, list[Any]]:
    """The kind of a message and its fields from key 2 on, in the order of their keys."""
    if type(loaded) is not dict:
        raise FrameError(PROFILE, "not a map")
    if loaded.get(0) != VERSION:
        raise FrameError(PROFILE, f"version {loaded.get(0)!r:.20}, not {VERSION}")
    if list(loaded) != _KEYS[: len(loaded)] or len(loaded) < 2:
        raise FrameError(PROFILE, f"keys {list(loaded)!r:.80}")
    _, kind, *fields = loaded.values()
    return kind, fields


def _description_fields(message: StreamDescription) -> list[object]:
    return [
        message.stream_id,
        message.name,
        message.interval_ns,
        [[channel.name, channel.unit] for channel in message.channels],
        struct.pack(f"<{len(message.scales)}f", *message.scales),
    ]


def _decode_description(fields: list[Any]) -> StreamDescription:
    stream_id, name, interval_ns, rows, packed = _typed(fields, int, str, int, list, bytes)
    if len(packed) != 4 * len(rows) or len(rows) > MAX_CHANNELS:
        raise ValueError(f"{len(packed)} bytes of scales for {len(rows)} channels")
    return StreamDescription(
        stream_id,
        name,
        interval_ns,
        tuple(_channel(row) for row in rows),
        struct.unpack(f"<{len(rows)}f", packed),
    )


def _channel(row: object) -> Channel:
    if type(row) is not list:
        raise ValueError("a channel is not an array")
    name, unit = _typed(row, str, str)
    return Channel(name, unit)


def _batch_fields(message: Batch) -> list[object]:
    return [message.stream_id, message.sequence, message.timestamp_ns, message.readings]


def _decode_batch(fields: list[Any]) -> Batch:
    return Batch(*_typed(fields, int, int, int, bytes))


def _decode_mark(fields: list[Any]) -> MarkMessage:
    label_type = type(None) if fields and fields[-1] is None else str
    return MarkMessage(*_typed(fields, int, int, label_type))


_DECODERS: Mapping[int, Callable[[list[Any]], Message]] = {
    _DESCRIPTION: _decode_description,
    _BATCH: _decode_batch,
    _MARK: _decode_mark,
}


def _typed(fields: list[Any], *types: type) -> list[Any]:
    # `type(...) is` and not isinstance: a CBOR true is a Python int.
    if [type(field) for field in fields] != list(types):
        raise ValueError(f"fields of types {[type(field).__name__ for field in fields]!r:.120}")
    return fields


def _check_range(what: str, value: int, highest: int) -> None:
    if not 0 <= value <= highest:
        raise ValueError(f"{what} {value}, not 0 to {highest}")


def _check_text(what: str, text: str, max_bytes: int) -> None:
    size = len(text.encode())
    if not 1 <= size <= max_bytes:
        raise ValueError(f"{what} of {size} bytes, not 1 to {max_bytes}")


def _check_scale(scale: float) -> None:
    if not 0 < scale <= MAX_SCALE:
        raise ValueError(f"scale {scale}, not a number in (0, {MAX_SCALE:g}]")
    if struct.unpack("<f", struct.pack("<f", scale))[0] != scale:
        raise ValueError(f"scale {scale} is not a float32")


class _EveryTagRefused(Mapping[int, Callable[..., object]]):
    """Semantic decoders that refuse every tag before cbor2 computes anything from its content."""

    def __getitem__(self, tag: int) -> Callable[..., object]:
        def refuse(*_: object) -> object:
            raise ValueError(f"tag {tag}")

        return refuse

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


_NO_TAGS = _EveryTagRefused()
