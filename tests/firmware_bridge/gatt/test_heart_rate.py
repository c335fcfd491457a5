import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.heart_rate import HeartRate, decode, encode, to_samples
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

U16 = st.integers(0, 0xFFFF)
ARRIVAL = Arrival(sensor="strap", received_ns=10_000_000_000)


@given(
    st.builds(
        HeartRate,
        heart_rate=U16,
        contact=st.none() | st.booleans(),
        energy_kj=st.none() | U16,
        rr_1024=st.lists(U16, max_size=9).map(tuple),
    )
)
def test_round_trip(measurement: HeartRate) -> None:
    assert decode(encode(measurement)) == measurement


@pytest.mark.parametrize(
    "measurement", [HeartRate(0x10000), HeartRate(-1), HeartRate(60, rr_1024=(0x10000,))]
)
def test_encode_refuses_what_does_not_fit(measurement: HeartRate) -> None:
    with pytest.raises(ValueError, match=r"fit|range"):
        encode(measurement)


def test_the_error_names_the_profile_and_the_field() -> None:
    with pytest.raises(FrameError) as caught:
        decode(b"\x08\x48\x01")
    assert caught.value.profile == "heart_rate"
    assert "energy" in caught.value.reason


def test_rr_intervals_end_at_their_beats() -> None:
    rate, first, second = to_samples(HeartRate(60, rr_1024=(1024, 512)), ARRIVAL)
    assert rate.channels[0].unit == "/min"
    assert rate.timestamp_ns == second.timestamp_ns == 10_000_000_000
    assert first.timestamp_ns == 9_500_000_000
    assert [first.values[0, 0], second.values[0, 0]] == [1000.0, 500.0]
    assert first.channels[0].unit == "ms"


@pytest.mark.parametrize(
    ("measurement", "reason"),
    [
        (HeartRate(72, contact=False), Absence.NO_CONTACT),
        (HeartRate(0), Absence.MEASUREMENT_FAILED),
    ],
)
def test_a_rate_that_means_nothing_says_why(measurement: HeartRate, reason: Absence) -> None:
    (sample,) = to_samples(measurement, ARRIVAL)
    assert dict(sample.absent) == {0: reason}
