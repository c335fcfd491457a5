import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.body_composition import (
    BodyComposition,
    decode,
    encode,
    to_samples,
)
from firmware_bridge.gatt.body_units import IMPERIAL, METRIC, BodyUnits
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

COUNTS = st.integers(0, 0xFFFF)


@st.composite
def compositions(draw: st.DrawFn) -> BodyComposition:
    units: BodyUnits = draw(st.sampled_from([METRIC, IMPERIAL]))

    def scaled(per_unit: int) -> float | None:
        return draw(st.none() | COUNTS.map(lambda count: count / per_unit))

    return BodyComposition(
        body_fat=draw(
            st.just(Absence.MEASUREMENT_FAILED)
            | st.integers(0, 0xFFFE).map(lambda count: count / 10)
        ),
        units=units,
        user_id=draw(st.none() | st.integers(0, 255)),
        basal_metabolism_kj=draw(st.none() | COUNTS),
        muscle_percentage=scaled(10),
        muscle_mass=scaled(units.per_mass),
        fat_free_mass=scaled(units.per_mass),
        soft_lean_mass=scaled(units.per_mass),
        body_water_mass=scaled(units.per_mass),
        impedance_ohm=scaled(10),
        weight=scaled(units.per_mass),
        height=scaled(units.per_length),
        multiple_packet=draw(st.booleans()),
    )


@given(compositions())
def test_round_trip(measurement: BodyComposition) -> None:
    assert decode(encode(measurement)) == measurement


def test_samples_hold_what_was_sent_and_no_more() -> None:
    measured = BodyComposition(25.0, IMPERIAL, weight=168.0, impedance_ohm=500.0)
    (sample,) = to_samples(measured, Arrival("scale", received_ns=7))
    units = {channel.name: channel.unit for channel in sample.channels}
    assert units == {"body_fat": "%", "impedance": "Ohm", "weight": "kg"}
    assert sample.values[0] == pytest.approx([25.0, 500.0, 76.2035], abs=1e-4)
