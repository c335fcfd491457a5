from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.glucose import Concentration, Glucose, decode, encode, to_samples
from firmware_bridge.ieee11073 import decode_sfloat
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

VALUES = st.integers(0, 0xFFFF).map(decode_sfloat)
NIBBLES = st.integers(0, 15)
NOON = datetime(2024, 2, 29, 12)
MEASURED = Concentration(Quantity(0.0055, "mol/L"), 1, 1)


@given(
    st.builds(
        Glucose,
        sequence=st.integers(0, 0xFFFF),
        base_time=st.just(Absence.CLOCK_NOT_SET) | st.just(NOON),
        time_offset_min=st.none()
        | st.integers(-0x7FFF, 0x7FFE)
        | st.sampled_from([Absence.POSITIVE_OVERFLOW, Absence.NEGATIVE_OVERFLOW]),
        measurement=st.none()
        | st.builds(
            Concentration,
            st.builds(Quantity, VALUES, st.sampled_from(["kg/L", "mol/L"])),
            NIBBLES,
            NIBBLES,
        ),
        status=st.none() | st.integers(0, 0xFFFF),
        context_follows=st.booleans(),
    )
)
def test_round_trip(record: Glucose) -> None:
    assert decode(encode(record)) == record


@pytest.mark.parametrize(
    "record",
    [
        Glucose(0, NOON, time_offset_min=0x7FFF),
        Glucose(0, NOON, time_offset_min=-0x8000),
        Glucose(0, NOON, time_offset_min=Absence.NO_CONTACT),
        Glucose(0, NOON, measurement=Concentration(Quantity(5.5, "mmol/L"), 1, 1)),
        Glucose(0, NOON, measurement=Concentration(Quantity(0.0055, "mol/L"), 16, 1)),
        Glucose(0x10000, NOON),
    ],
)
def test_encode_refuses_what_the_wire_cannot_say(record: Glucose) -> None:
    with pytest.raises(ValueError, match=r"overflow|cannot say|concentration in|four bits|outside"):
        encode(record)


def test_a_reading_has_the_time_that_its_user_saw() -> None:
    (sample,) = to_samples(Glucose(1, NOON, 60, MEASURED), Arrival("meter", received_ns=0))
    assert sample.timestamp_ns == 1_709_211_600_000_000_000
    assert sample.channels[0].unit == "mg/dL"
    assert sample.values[0, 0] == pytest.approx(99.0858, abs=1e-3)


def test_a_reading_without_a_clock_has_the_time_of_its_arrival() -> None:
    record = Glucose(1, Absence.CLOCK_NOT_SET, 60, MEASURED)
    (sample,) = to_samples(record, Arrival("meter", received_ns=9))
    assert sample.timestamp_ns == 9
    late = Glucose(1, datetime(9999, 12, 31, 23, 59), 60, MEASURED)
    assert late.user_time is Absence.CLOCK_NOT_SET


def test_a_record_without_a_measurement_is_no_sample() -> None:
    assert to_samples(Glucose(1, NOON), Arrival("meter", received_ns=0)) == ()
