from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.pulse_oximeter_spot import (
    PulseOximeterSpot,
    decode,
    encode,
    to_samples,
)
from firmware_bridge.ieee11073 import decode_sfloat
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

VALUES = st.integers(0, 0xFFFF).map(decode_sfloat)


@given(
    st.builds(
        PulseOximeterSpot,
        spo2=VALUES,
        pulse_rate=VALUES,
        timestamp=st.none() | st.just(datetime(2024, 2, 29, 23, 59, 58)),
        clock_not_set=st.booleans(),
        measurement_status=st.none() | st.integers(0, 0xFFFF),
        device_status=st.none() | st.integers(0, 0xFFFFFF),
        pulse_amplitude=st.none() | VALUES,
    )
)
def test_round_trip(measurement: PulseOximeterSpot) -> None:
    assert decode(encode(measurement)) == measurement


def test_a_clock_that_is_not_set_is_not_believed() -> None:
    checked = PulseOximeterSpot(97.0, 72.0, datetime(2000, 1, 1), clock_not_set=True)
    (sample,) = to_samples(checked, Arrival("finger", received_ns=7))
    assert sample.timestamp_ns == 7


def test_absent_values_say_why() -> None:
    checked = PulseOximeterSpot(Absence.NOT_A_NUMBER, 72.0, pulse_amplitude=1.5)
    (sample,) = to_samples(checked, Arrival("finger", received_ns=7))
    assert dict(sample.absent) == {0: Absence.NOT_A_NUMBER}
    assert sample.values[0, 1:].tolist() == [72.0, 1.5]
