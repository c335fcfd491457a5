import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.battery import Battery, decode, encode


@given(st.builds(Battery, st.integers(0, 100)))
def test_round_trip(measurement: Battery) -> None:
    assert decode(encode(measurement)) == measurement


@pytest.mark.parametrize("level", [-1, 101])
def test_encode_refuses_what_is_no_percentage(level: int) -> None:
    with pytest.raises(ValueError, match="no percentage"):
        encode(Battery(level))
