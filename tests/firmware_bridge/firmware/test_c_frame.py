"""Frames of the C library: byte for byte what the Python encoder writes."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.frame import (
    MAX_CHANNELS,
    MAX_INTERVAL_NS,
    MAX_READINGS_BYTES,
    MAX_SCALE,
    MAX_TIMESTAMP_NS,
    Batch,
    MarkMessage,
    StreamDescription,
    decode_frame,
    encode_frame,
)
from firmware_bridge.sample import Channel
from tests.firmware_bridge.firmware.compiled import Status, encode_command, text

SEQUENCES = st.integers(0, 2**32 - 1)
TIMES = st.integers(0, MAX_TIMESTAMP_NS)


def texts(max_bytes):
    # A text in C ends with its first zero byte; surrogates are no UTF-8.
    characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    return st.text(characters, min_size=1, max_size=max_bytes).filter(
        lambda s: len(s.encode()) <= max_bytes
    )


@st.composite
def descriptions(draw):
    channels = draw(
        st.lists(st.builds(Channel, texts(24), texts(16)), min_size=1, max_size=MAX_CHANNELS)
    )
    scale = st.floats(0, MAX_SCALE, exclude_min=True, width=32)
    scales = draw(st.lists(scale, min_size=len(channels), max_size=len(channels)))
    return StreamDescription(
        draw(st.integers(0, 255)),
        draw(texts(24)),
        draw(st.integers(0, MAX_INTERVAL_NS)),
        tuple(channels),
        tuple(scales),
    )


# Long runs without a zero byte, and with one at every distance from the start of a COBS block.
READINGS = st.one_of(
    st.binary(min_size=1, max_size=40).map(lambda half: half + half),
    st.builds(
        lambda run, tail: (b"\x01" * run + b"\x00" + b"\x02" * tail + b"\x03" * (run % 2))[:4032],
        st.integers(1, 1100),
        st.integers(0, 600),
    ).map(lambda octets: octets if len(octets) % 2 == 0 else octets + b"\x00"),
)
BATCHES = st.builds(Batch, st.integers(0, 255), SEQUENCES, TIMES, READINGS)
MARKS = st.builds(MarkMessage, SEQUENCES, TIMES, st.none() | texts(64))


@settings(max_examples=200)
@given(message=descriptions() | BATCHES | MARKS)
def test_every_message_is_the_python_encoders_frame(driver, message):
    status, frame = driver.ask(encode_command(message))
    assert status is Status.OK
    assert frame == encode_frame(message)
    assert decode_frame(frame[:-1]) == message


@pytest.mark.parametrize("size", [2, 22, 24, 254, 256, 508, 1016, 4030, MAX_READINGS_BYTES])
@pytest.mark.parametrize("octet", [0, 1, 255])
def test_cobs_blocks_end_where_pythons_do(driver, size, octet):
    batch = Batch(255, 2**32 - 1, MAX_TIMESTAMP_NS, bytes((octet,)) * size)
    assert driver.ask(encode_command(batch)) == (Status.OK, encode_frame(batch))


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 2**16 - 1, 2**16, 2**32 - 1, 2**32, 2**62])
def test_integers_are_in_their_shortest_form(driver, value):
    mark = MarkMessage(min(value, 2**32 - 1), value, None)
    assert driver.ask(encode_command(mark)) == (Status.OK, encode_frame(mark))


def described(*, name=b"s", interval_ns=1, channels=((b"c", b"u", 1.0),)):
    rows = [text(n) + text(u) + struct.pack("<f", scale) for n, u, scale in channels]
    counts = struct.pack("<QB", interval_ns, len(channels))
    return b"".join((b"d\x00", text(name), counts, *rows))


ILL_FORMED = [
    *(b"", b"x" * 25, b"\xff", b"\x80", b"\xc1\x80", b"\xc3", b"\xe0\x9f\x80", b"\xed\xa0\x80"),
    *(b"\xf0\x8f\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"a\xe2\x28\xa1"),
]


@pytest.mark.parametrize("name", ILL_FORMED)
def test_texts_that_are_no_utf8_are_refused(driver, name):
    assert driver.ask(described(name=name)) == (Status.TEXT, b"")
    assert driver.ask(described(channels=((name, b"u", 1.0),))) == (Status.TEXT, b"")
    assert driver.ask(described(channels=((b"c", name, 1.0),))) == (Status.TEXT, b"")


@settings(max_examples=150)
@given(octets=st.binary(min_size=1, max_size=8).filter(lambda octets: b"\0" not in octets))
def test_what_is_utf8_is_pythons_word(driver, octets):
    try:
        octets.decode()
    except UnicodeDecodeError:
        expected = Status.TEXT
    else:
        expected = Status.OK
    assert driver.ask(described(name=octets))[0] is expected


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (described(channels=()), Status.SIZE),
        (described(channels=((b"c", b"u", 1.0),) * 17), Status.SIZE),
        (described(channels=((b"c", b"u" * 17, 1.0),)), Status.TEXT),
        (described(interval_ns=MAX_INTERVAL_NS + 1), Status.RANGE),
        *(
            (described(channels=((b"c", b"u", scale),)), Status.RANGE)
            for scale in (0.0, -1.0, float("nan"), float("inf"), 2.0**101)
        ),
        (b"m" + struct.pack("<IQB", 0, MAX_TIMESTAMP_NS + 1, 1) + text(""), Status.RANGE),
        (b"m" + struct.pack("<IQB", 0, 0, 0) + text(""), Status.TEXT),
        (b"m" + struct.pack("<IQB", 0, 0, 0) + text("x" * 65), Status.TEXT),
        (b"b" + struct.pack("<BIQH", 0, 0, MAX_TIMESTAMP_NS + 1, 2) + b"ab", Status.RANGE),
        (b"b" + struct.pack("<BIQH", 0, 0, 0, 0), Status.SIZE),
        (b"b" + struct.pack("<BIQH", 0, 0, 0, 3) + b"abc", Status.SIZE),
        (b"b" + struct.pack("<BIQH", 0, 0, 0, 4034) + bytes(4034), Status.SIZE),
    ],
)
def test_what_a_frame_cannot_carry_is_refused_and_nothing_is_written(driver, command, status):
    assert driver.ask(command) == (status, b"")
