import struct
from datetime import UTC

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
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
    decode_payload,
    encode_frame,
    encode_payload,
)
from firmware_bridge.frame_envelope import MAX_FRAME_BYTES
from firmware_bridge.sample import Channel

SEQUENCES = st.integers(0, 2**32 - 1)
TIMES = st.integers(0, MAX_TIMESTAMP_NS)


def text(max_bytes):
    return st.text(min_size=1, max_size=max_bytes).filter(
        lambda s: len(s.encode(errors="replace")) <= max_bytes and s.isprintable()
    )


@st.composite
def descriptions(draw):
    channels = draw(
        st.lists(st.builds(Channel, text(24), text(16)), min_size=1, max_size=MAX_CHANNELS)
    )
    scale = st.floats(0, MAX_SCALE, exclude_min=True, width=32, allow_subnormal=False)
    scales = draw(st.lists(scale, min_size=len(channels), max_size=len(channels)))
    return StreamDescription(
        draw(st.integers(0, 255)),
        draw(text(24)),
        draw(st.integers(0, MAX_INTERVAL_NS)),
        tuple(channels),
        tuple(scales),
    )


BATCHES = st.builds(
    Batch,
    st.integers(0, 255),
    SEQUENCES,
    TIMES,
    st.binary(min_size=1, max_size=200).map(lambda half: half + half),
)
MARKS = st.builds(MarkMessage, SEQUENCES, TIMES, st.none() | text(64))
MESSAGES = descriptions() | BATCHES | MARKS

BATCH = Batch(1, 2, 3, b"\x04\x05")


@given(MESSAGES)
def test_round_trip(message):
    assert decode_frame(encode_frame(message)[:-1]) == message


@given(MESSAGES)
def test_a_frame_is_bounded(message):
    assert len(encode_frame(message)) <= MAX_FRAME_BYTES


def test_the_longest_batch_fits():
    batch = Batch(255, 2**32 - 1, MAX_TIMESTAMP_NS, bytes(MAX_READINGS_BYTES))
    assert decode_frame(encode_frame(batch)[:-1]) == batch
    assert len(encode_frame(batch)) <= MAX_FRAME_BYTES


@given(st.binary(max_size=200))
def test_any_payload_decodes_or_is_refused(payload):
    decode_or_refuse(payload)


@settings(max_examples=300)
@given(MESSAGES, st.data())
def test_any_damaged_payload_decodes_or_is_refused(message, data):
    payload = bytearray(encode_payload(message))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    decode_or_refuse(bytes(payload))


# Values that CBOR knows and a frame does not: floats, tags that compute, nested containers.
CBOR_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.binary(max_size=8)
    | st.text(max_size=8).filter(str.isprintable)
    | st.decimals(allow_nan=True)
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(-1, 8), inner, max_size=7)
    ),
)


@given(st.lists(CBOR_VALUES, max_size=6), st.integers(-1, 4))
def test_any_map_of_our_keys_decodes_or_is_refused(fields, kind):
    decode_or_refuse(cbor2.dumps(dict(enumerate([1, kind, *fields]))))


def decode_or_refuse(payload):
    try:
        message = decode_payload(payload)
    except FrameError:
        return
    assert encode_payload(message) == payload


def hexed(text_of_bytes):
    return bytes.fromhex(text_of_bytes.replace(" ", ""))


def test_a_batch_is_these_bytes():
    assert encode_payload(BATCH) == hexed("a6 0001 0101 0201 0302 0403 05420405")


def test_a_mark_is_these_bytes():
    assert encode_payload(MarkMessage(7, 24, None)) == hexed("a5 0001 0102 0207 031818 04f6")


def test_a_description_is_these_bytes():
    description = StreamDescription(0, "imu", 20_000_000, (Channel("ax", "[g]"),), (0.5,))
    assert encode_payload(description) == hexed(
        "a7 0001 0100 0200 0363696d75 041a01312d00 0581 8262617863 5b675d 06440000003f"
    )


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "not CBOR"),
        ("01", "not a map"),
        ("80", "not a map"),
        ("a0", "version"),
        ("a6 0002 0101 0201 0302 0403 05420405", "version"),
        ("a6 0001 0103 0201 0302 0403 05420405", "kind"),
        ("a6 0001 01f5 0201 0302 0403 05420405", "kind"),
        ("a7 0001 0101 0201 0302 0403 05420405 0600", "types"),
        ("a5 0001 0101 0201 0302 0403", "types"),
        ("a6 0001 0101 0201 0302 0403 09420405", "keys"),
        ("a6 0001 0101 0302 0201 0403 05420405", "keys"),
        ("a6 0001 0101 0201 0302 0403 05420405 00", "not"),
        ("a6 0001 0101 0201 0302 0403 054104", "int16"),
        ("a6 0001 0101 0201 0302 0403 0540", "int16"),
        ("a6 0001 0101 0201 0302 0403 05624142", "types"),
        ("a6 0001 0101 0220 0302 0403 05420405", "stream id"),
        ("a6 0001 0101 02f5 0302 0403 05420405", "types"),
        ("a6 0001 0101 021801 0302 0403 05420405", "shortest"),
        ("a6 0001 0101 02c24101 0302 0403 05420405", "tag"),
        ("a6 0001 0101 02f93c00 0302 0403 05420405", "types"),
        ("a6 00f93c00 0101 0201 0302 0403 05420405", "shortest"),
        ("bf 0001 0101 0201 0302 0403 05420405 ff", "indefinite"),
        ("a6 0001 0101 0201 0302 0403 055f420405ff", "indefinite"),
        ("a6 0001 0101 0201 031b0000000100000000 0403 05420405", "sequence"),
        ("a6 0001 0101 0201 0302 041bffffffffffffffff 05420405", "time stamp"),
        ("a6 0001 0101 0201 0302 0403 05 5bffffffffffffffff", "not CBOR"),
        ("a6 0001 0101 0201 0302 0403 0303 05420405", "not CBOR"),
        ("a5 0001 0102 0207 0318 18 0460", "label"),
        ("a5 0001 0102 0207 0318 18 0462c328", "not CBOR"),
    ],
)
def test_refused(payload, reason):
    with pytest.raises(FrameError) as caught:
        decode_payload(hexed(payload))
    cause = caught.value.__cause__
    assert reason in caught.value.reason or reason in f"{cause} {cause and cause.__cause__}"


@pytest.mark.parametrize(
    "scales",
    [b"", b"\0\0\0", struct.pack("<f", 0), struct.pack("<f", float("nan")), struct.pack("<f", -1)],
)
def test_a_description_with_impossible_scales_is_refused(scales):
    fields = [1, 0, 0, "imu", 1, [["ax", "[g]"]], scales]
    with pytest.raises(FrameError, match="scale"):
        decode_payload(cbor2.dumps(dict(enumerate(fields))))


@pytest.mark.parametrize(
    "rows", [[], [["ax"]], [["ax", 1]], ["ax"], [["a", "b"]] * 17, [["a", ""]]]
)
def test_a_description_with_impossible_channels_is_refused(rows):
    fields = [1, 0, 0, "imu", 1, rows, struct.pack("<f", 1) * len(rows)]
    with pytest.raises(FrameError):
        decode_payload(cbor2.dumps(dict(enumerate(fields))))


def test_a_message_that_no_frame_can_carry_cannot_be_made():
    with pytest.raises(ValueError, match="sequence"):
        Batch(0, 2**32, 0, b"ab")
    with pytest.raises(ValueError, match="label"):
        MarkMessage(0, 0, "x" * 65)
    with pytest.raises(ValueError, match="float32"):
        StreamDescription(0, "imu", 1, (Channel("ax", "[g]"),), (0.1,))
