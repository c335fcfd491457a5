import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.raw_recording import (
    RawFrame,
    RecordingHeader,
    frame_line,
    header_line,
    parse_frame,
    parse_header,
)

HEADER = RecordingHeader("ox", "nonin_df2", "serial", 1_764_032_462_123_456_789, "0.1.0", 75.0)
TEXT = st.text(min_size=1, max_size=200)


def test_a_header_comes_back_and_is_readable_by_people():
    line = header_line(HEADER)
    assert parse_header(line.encode()) == HEADER
    assert json.loads(line)["started"] == "2025-11-25T01:01:02+00:00"
    assert json.loads(line)["format"] == "perfuse-frames"


@given(st.builds(RawFrame, st.integers(0, 2**62), TEXT, TEXT, st.binary(max_size=300)))
def test_a_frame_comes_back(frame):
    line = frame_line(frame)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert parse_frame(line.encode()) == frame


@given(st.binary(max_size=200))
def test_any_line_is_a_frame_or_an_error(line):
    for parse in (parse_frame, parse_header):
        try:
            parse(line)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "csv"}, "no recording of raw frames"),
        ({"version": 2}, "has version 2; known is 1"),
        ({"sensor": ""}, "sensor: is not text"),
        ({"profile": 7}, "profile: is not text"),
        ({"started_ns": -1}, "started_ns: is not a Unix time"),
        ({"started_ns": True}, "started_ns: is not a Unix time"),
        ({"rate_hz": 0}, "rate_hz: is not a number above 0"),
        ({"rate_hz": "fast"}, "rate_hz: is not a number above 0"),
        ({"factor": None}, "factor: is not a number above 0"),
    ],
)
def test_a_wrong_header_is_said_by_its_field(change, words):
    fields = json.loads(header_line(HEADER)) | change
    with pytest.raises(ValueError, match=words):
        parse_header(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "is not JSON"),
        ("[1]", "is no JSON object"),
        ("[" * 10_000, "is not JSON"),
        (" " * 20_000, "is longer than 16384 bytes"),
        ('{"t_ns": 1, "src": "a", "ch": "b"}', "has the fields"),
        ('{"t_ns": 1.5, "src": "a", "ch": "b", "hex": ""}', "t_ns: is not"),
        ('{"t_ns": 1, "src": "a", "ch": "b", "hex": "0"}', "hex: non-hexadecimal"),
        ('{"t_ns": 1, "src": "a", "ch": "b", "hex": 0}', "hex: is not text"),
        ('{"t_ns": 1, "src": "", "ch": "b", "hex": ""}', "src: is not text"),
    ],
)
def test_a_wrong_line_is_said_by_its_field(line, words):
    with pytest.raises(ValueError, match=words):
        parse_frame(line.encode())
