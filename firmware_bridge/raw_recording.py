"""The lines of a recording of raw frames: a header, then one line a frame. Pure.

    {"format": "perfuse-frames", "version": 1, "sensor": "ox", "profile": "nonin_df2", ...}
    {"t_ns": 1764032462123456789, "src": "ox", "ch": "serial", "hex": "0181..."}

A line whose channel is ``reopened`` bears no frame: the sensor's line was lost and is open again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

FORMAT = "perfuse-frames"
VERSION = 1
REOPENED = "reopened"

# Twice our longest frame in hexadecimal, and room for the names around it.
MAX_LINE_BYTES = 16 * 1024
_MAX_T_NS = 2**62
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class RecordingHeader:
    """What a recording is of.

    Attributes:
        sensor: configured name of the sensor.
        profile: what its frames are; ``"perfuse_frame"`` for our own.
        transport: ``"serial"``, ``"ble"``, or what the frames were made from, such as ``"edf"``.
        started_ns: Unix time of its beginning.
        perfuse: version that wrote it.
        rate_hz: readings a second, where they are evenly spaced and that is known.
        factor: what a count is worth, where the sensor was asked for that.
    """

    sensor: str
    profile: str
    transport: str
    started_ns: int
    perfuse: str
    rate_hz: float | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame as it came, or an outage of the line.

    Attributes:
        t_ns: Unix time of its arrival.
        src: the sensor's name.
        ch: ``"serial"``, or the last part of a characteristic's UUID; REOPENED for an outage.
        data: its bytes; none for an outage.
    """

    t_ns: int
    src: str
    ch: str
    data: bytes


def header_line(header: RecordingHeader) -> str:
    """The first line, with its line feed."""
    started = datetime.fromtimestamp(header.started_ns // 10**9, UTC).isoformat()
    line = {"format": FORMAT, "version": VERSION, **asdict(header), "started": started}
    return json.dumps(line) + "\n"


def frame_line(frame: RawFrame) -> str:
    """A line of a frame, with its line feed."""
    line = {"t_ns": frame.t_ns, "src": frame.src, "ch": frame.ch, "hex": frame.data.hex()}
    return json.dumps(line, separators=(",", ":")) + "\n"


def parse_header(line: bytes) -> RecordingHeader:
    """The header of a first line.

    Raises:
        ValueError: it is none, or of another version.
    """
    fields = _object(line)
    if fields.get("format") != FORMAT:
        raise ValueError(f"is no recording of raw frames: its format is not {FORMAT!r}")
    if fields.get("version") != VERSION:
        raise ValueError(f"has version {fields.get('version')!r:.20}; known is {VERSION}")
    rate_hz = fields.get("rate_hz")
    if rate_hz is not None:
        rate_hz = _number(fields, "rate_hz")
    return RecordingHeader(
        sensor=_text(fields, "sensor"),
        profile=_text(fields, "profile"),
        transport=_text(fields, "transport"),
        started_ns=_time(fields, "started_ns"),
        perfuse=_text(fields, "perfuse"),
        rate_hz=rate_hz,
        factor=_number(fields, "factor"),
    )


def parse_frame(line: bytes) -> RawFrame:
    """The frame of any other line.

    Raises:
        ValueError: it is none; names the field.
    """
    fields = _object(line)
    if fields.keys() != {"t_ns", "src", "ch", "hex"}:
        raise ValueError(f"has the fields {sorted(fields)!r:.120}, not t_ns, src, ch and hex")
    text = fields["hex"]
    if not isinstance(text, str):
        raise ValueError("hex: is not text")  # noqa: TRY004 - a file misread, not misused
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise ValueError(f"hex: {error}") from error
    return RawFrame(_time(fields, "t_ns"), _text(fields, "src"), _text(fields, "ch"), data)


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"is longer than {MAX_LINE_BYTES} bytes")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004 - as above
    return fields


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_TEXT:
        raise ValueError(f"{name}: is not text of 1 to {_MAX_TEXT} characters")
    return value


def _time(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value <= _MAX_T_NS:
        raise ValueError(f"{name}: is not a Unix time in nanoseconds")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float:
    value: Any = fields.get(name)
    if type(value) not in (int, float) or not 0 < value < 1e12:
        raise ValueError(f"{name}: is not a number above 0")
    return float(value)
