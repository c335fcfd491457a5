from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.medical_words import (
    decode_float_octets,
    decode_sfloat_octets,
    encode_float_octets,
    encode_sfloat_octets,
)


@given(st.binary(min_size=2, max_size=2))
def test_sfloat_round_trip(octets: bytes) -> None:
    value = decode_sfloat_octets(octets)
    assert decode_sfloat_octets(encode_sfloat_octets(value)) == value


@given(st.binary(min_size=4, max_size=4))
def test_float_round_trip(octets: bytes) -> None:
    value = decode_float_octets(octets)
    assert decode_float_octets(encode_float_octets(value)) == value
