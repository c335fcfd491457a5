import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ieee11073 import (
    Value,
    decode_float,
    decode_sfloat,
    encode_float,
    encode_sfloat,
)
from firmware_bridge.sample import Absence


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x07FF, Absence.NOT_A_NUMBER),
        (0x0800, Absence.NOT_AT_THIS_RESOLUTION),
        (0x07FE, Absence.POSITIVE_OVERFLOW),
        (0x0802, Absence.NEGATIVE_OVERFLOW),
        (0x0801, Absence.RESERVED),
        (0x07FD, 2045.0),
        (0x0803, -2045.0),
        (0x17FF, 20470.0),
        (0xF16E, 36.6),
        (0x0000, 0.0),
        (0x8001, 1e-8),
        (0x7001, 1e7),
    ],
)
def test_sfloat_word(word: int, value: Value) -> None:
    assert decode_sfloat(word) == value
    assert decode_sfloat(encode_sfloat(value)) == value


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (0x007FFFFF, Absence.NOT_A_NUMBER),
        (0x00800000, Absence.NOT_AT_THIS_RESOLUTION),
        (0x007FFFFE, Absence.POSITIVE_OVERFLOW),
        (0x00800002, Absence.NEGATIVE_OVERFLOW),
        (0x00800001, Absence.RESERVED),
        (0x007FFFFD, 8388605.0),
        (0x017FFFFF, 83886070.0),
        (0xFF00016E, 36.6),
        (0x80000001, 1e-128),
        (0x7F7FFFFF, 8388607e127),
    ],
)
def test_float_word(word: int, value: Value) -> None:
    assert decode_float(word) == value
    assert decode_float(encode_float(value)) == value


def test_every_sfloat_word_survives() -> None:
    for word in range(0x10000):
        value = decode_sfloat(word)
        assert decode_sfloat(encode_sfloat(value)) == value


@given(st.integers(0, 0xFFFFFFFF))
def test_any_float_word_survives(word: int) -> None:
    value = decode_float(word)
    assert decode_float(encode_float(value)) == value


@given(st.floats(-1e6, 1e6))
def test_sfloat_is_the_nearest_of_its_size(value: float) -> None:
    found = decode_sfloat(encode_sfloat(value))
    assert isinstance(found, float)
    # Eleven bits of mantissa, or the smallest step there is.
    assert abs(found - value) <= max(abs(value) / 400, 0.5e-8)


@pytest.mark.parametrize("value", [1e12, -1e12, float("nan"), float("inf"), Absence.NOT_SENT])
def test_encode_refuses_what_sfloat_cannot_say(value: Value) -> None:
    with pytest.raises(ValueError, match="SFLOAT"):
        encode_sfloat(value)


def test_a_value_on_a_special_word_moves_to_the_next_exponent() -> None:
    assert decode_sfloat(encode_sfloat(2046.0)) == 2050.0
