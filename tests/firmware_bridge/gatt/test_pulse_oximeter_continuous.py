from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.pulse_oximeter_continuous import (
    Oximetry,
    PulseOximeterContinuous,
    decode,
    encode,
    to_samples,
)
from firmware_bridge.ieee11073 import decode_sfloat
from firmware_bridge.sampling import Arrival

VALUES = st.integers(0, 0xFFFF).map(decode_sfloat)
AVERAGES = st.builds(Oximetry, VALUES, VALUES)


@given(
    st.builds(
        PulseOximeterContinuous,
        normal=AVERAGES,
        fast=st.none() | AVERAGES,
        slow=st.none() | AVERAGES,
        measurement_status=st.none() | st.integers(0, 0xFFFF),
        device_status=st.none() | st.integers(0, 0xFFFFFF),
        pulse_amplitude=st.none() | VALUES,
    )
)
def test_round_trip(measurement: PulseOximeterContinuous) -> None:
    assert decode(encode(measurement)) == measurement


def test_each_average_is_a_stream() -> None:
    worn = PulseOximeterContinuous(Oximetry(97.0, 72.0), slow=Oximetry(98.0, 71.0))
    normal, slow = to_samples(worn, Arrival("finger", received_ns=7))
    assert (normal.stream, slow.stream) == ("pulse_oximeter", "pulse_oximeter_slow")
    assert slow.values.tolist() == [[98.0, 71.0]]
