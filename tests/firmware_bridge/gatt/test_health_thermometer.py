from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.health_thermometer import Temperature, decode, encode, to_samples
from firmware_bridge.ieee11073 import decode_float
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

TIMES = st.just(Absence.CLOCK_NOT_SET) | st.datetimes(
    datetime(1582, 1, 1), datetime(9999, 12, 31)
).map(lambda moment: moment.replace(microsecond=0))
VALUES = st.integers(0, 0xFFFFFFFF).map(decode_float)


@given(
    st.builds(
        Temperature,
        temperature=st.builds(Quantity, VALUES, st.sampled_from(["Cel", "[degF]"])),
        timestamp=st.none() | TIMES,
        site=st.none() | st.integers(0, 255),
    )
)
def test_round_trip(measurement: Temperature) -> None:
    assert decode(encode(measurement)) == measurement


def test_a_unit_that_the_characteristic_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature in K"):
        encode(Temperature(Quantity(310.0, "K")))


def test_samples_are_in_celsius_at_the_sensors_time() -> None:
    taken = Temperature(Quantity(98.6, "[degF]"), datetime(1970, 1, 1, 1, 0, 1))
    (sample,) = to_samples(taken, Arrival(sensor="t", received_ns=5, utc_offset_s=3600))
    assert sample.timestamp_ns == 1_000_000_000
    assert sample.channels[0].unit == "Cel"
    assert sample.values[0, 0] == pytest.approx(37.0, abs=1e-4)


def test_a_value_beyond_float32_has_overflowed() -> None:
    (sample,) = to_samples(Temperature(Quantity(366e36, "Cel")), Arrival("t", received_ns=5))
    assert dict(sample.absent) == {0: Absence.POSITIVE_OVERFLOW}
    assert sample.timestamp_ns == 5
