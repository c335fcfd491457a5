import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.body_units import IMPERIAL, METRIC
from firmware_bridge.gatt.weight import Stature, Weight, decode, encode, to_samples
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival


@st.composite
def weights(draw: st.DrawFn) -> Weight:
    units = draw(st.sampled_from([METRIC, IMPERIAL]))
    counts = st.integers(0, 0xFFFE)
    stature = st.builds(
        Stature,
        counts.map(lambda count: count / 10),
        counts.map(lambda count: count / units.per_length),
    )
    return Weight(
        weight=draw(
            st.just(Absence.MEASUREMENT_FAILED) | counts.map(lambda count: count / units.per_mass)
        ),
        units=units,
        timestamp=draw(st.none() | st.just(Absence.CLOCK_NOT_SET)),
        user_id=draw(st.none() | st.integers(0, 255)),
        stature=draw(st.none() | stature),
    )


@given(weights())
def test_round_trip(measurement: Weight) -> None:
    assert decode(encode(measurement)) == measurement


def test_a_weight_that_would_read_as_failed_is_refused() -> None:
    with pytest.raises(ValueError, match="above"):
        encode(Weight(0xFFFF / 200))


def test_pounds_and_inches_become_kilograms_and_metres() -> None:
    (sample,) = to_samples(
        Weight(168.0, IMPERIAL, stature=Stature(24.5, 67.0)), Arrival("scale", received_ns=7)
    )
    assert [channel.unit for channel in sample.channels] == ["kg", "kg/m2", "m"]
    assert sample.values[0] == pytest.approx([76.2035, 24.5, 1.7018], abs=1e-4)
