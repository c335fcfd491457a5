import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
from firmware_bridge.frame_envelope import (
    DELIMITER,
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    seal,
    unseal,
)


@given(st.binary(max_size=600))
def test_round_trip(payload):
    assert unseal(seal(payload)[:-1]) == payload


@given(st.binary(max_size=600))
def test_the_delimiter_stands_only_at_the_end(payload):
    assert seal(payload).index(DELIMITER) == len(seal(payload)) - 1


@given(st.binary(max_size=300))
def test_any_line_opens_or_is_refused(line):
    try:
        payload = unseal(line)
    except FrameError:
        return
    assert seal(payload)[:-1] == line


@pytest.mark.parametrize("fill", [b"\x00", b"\x01", b"\xff"])
def test_the_longest_payload_fits_the_longest_frame(fill):
    frame = seal(fill * MAX_PAYLOAD_BYTES)
    assert len(frame) <= MAX_FRAME_BYTES
    assert unseal(frame[:-1]) == fill * MAX_PAYLOAD_BYTES


def test_a_longer_payload_is_our_mistake():
    with pytest.raises(ValueError, match="at most"):
        seal(bytes(MAX_PAYLOAD_BYTES + 1))


def test_a_longer_line_is_refused_before_it_is_decoded():
    with pytest.raises(FrameError, match="longer"):
        unseal(b"\x01" * MAX_FRAME_BYTES)


@given(st.binary(min_size=1, max_size=80), st.data())
def test_one_wrong_byte_is_always_noticed(payload, data):
    frame = bytearray(seal(payload)[:-1])
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        unseal(bytes(frame))
