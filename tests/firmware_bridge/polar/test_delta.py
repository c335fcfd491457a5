import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.polar.delta import Reading, decode_delta, encode_delta


def _encoded(readings: tuple[Reading, ...], size: int) -> bytes:
    octets = OctetWriter()
    encode_delta(octets, readings, size)
    return octets.finish()


@st.composite
def signals(draw: st.DrawFn) -> tuple[tuple[Reading, ...], int]:
    channels, size = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    half = 1 << 8 * size - 1
    reading = st.tuples(*[st.integers(-half, half - 1)] * channels)
    return tuple(draw(st.lists(reading, min_size=1, max_size=25))), size


@given(signals())
def test_round_trip(signal: tuple[tuple[Reading, ...], int]) -> None:
    readings, size = signal
    assert (
        decode_delta(OctetReader("x", _encoded(readings, size)), len(readings[0]), size) == readings
    )


def test_a_steady_signal_takes_a_bit_a_value() -> None:
    assert _encoded(((5, 5),) * 5, 2).hex() == "05000500" + "0104" + "00"


def test_the_first_block_of_the_frame_that_the_sdk_quotes() -> None:
    # Three bits a difference: 001, 000, 001 of 0x41 0xFE make the second reading.
    octets = OctetReader("x", bytes.fromhex("c9ff12001100030941fe2b0f9c0bbf15004f00"))
    readings = decode_delta(octets, 3, 2)
    assert readings[:2] == ((-55, 18, 17), (-54, 18, 18))
    assert len(readings) == 10


@pytest.mark.parametrize("block", ["0001", "2101" + "00" * 13, "0201", "08"])
def test_a_damaged_block_is_refused(block: str) -> None:
    with pytest.raises(FrameError):
        decode_delta(OctetReader("x", bytes.fromhex("000000000000" + block)), 3, 2)


def test_a_jump_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="differences of 33 bits"):
        _encoded(((-(1 << 31),), ((1 << 31) - 1,)), 4)
