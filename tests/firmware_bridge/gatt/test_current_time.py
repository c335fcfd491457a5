from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.current_time import CurrentTime, decode, encode
from firmware_bridge.sample import Absence


@given(
    st.builds(
        CurrentTime,
        moment=st.just(Absence.CLOCK_NOT_SET) | st.just(datetime(2024, 2, 29, 12)),
        day_of_week=st.integers(0, 7),
        fractions256=st.integers(0, 255),
        adjust_reason=st.integers(0, 255),
    )
)
def test_round_trip(clock: CurrentTime) -> None:
    assert decode(encode(clock)) == clock
