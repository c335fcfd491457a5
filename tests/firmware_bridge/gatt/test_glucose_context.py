import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.glucose_context import (
    Carbohydrate,
    Exercise,
    GlucoseContext,
    Medication,
    decode,
    encode,
    to_samples,
)
from firmware_bridge.ieee11073 import decode_sfloat
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

VALUES = st.integers(0, 0xFFFF).map(decode_sfloat)
OCTETS = st.integers(0, 255)


@st.composite
def contexts(draw: st.DrawFn) -> GlucoseContext:
    nibbles = st.integers(0, 15)
    tester, health = draw(st.tuples(nibbles, nibbles) | st.just((None, None)))
    durations = st.just(Absence.POSITIVE_OVERFLOW) | st.integers(0, 0xFFFE)
    amounts = st.builds(Quantity, VALUES, st.sampled_from(["kg", "L"]))
    return GlucoseContext(
        sequence=draw(st.integers(0, 0xFFFF)),
        extended_flags=draw(st.none() | OCTETS),
        carbohydrate=draw(st.none() | st.builds(Carbohydrate, OCTETS, VALUES)),
        meal=draw(st.none() | OCTETS),
        tester=tester,
        health=health,
        exercise=draw(st.none() | st.builds(Exercise, durations, OCTETS)),
        medication=draw(st.none() | st.builds(Medication, OCTETS, amounts)),
        hba1c_percent=draw(st.none() | VALUES),
    )


@given(contexts())
def test_round_trip(context: GlucoseContext) -> None:
    assert decode(encode(context)) == context


@pytest.mark.parametrize(
    "context",
    [
        GlucoseContext(0, tester=1),
        GlucoseContext(0, tester=16, health=0),
        GlucoseContext(0, medication=Medication(1, Quantity(5.0, "mg"))),
        GlucoseContext(0, exercise=Exercise(0xFFFF, 50)),
    ],
)
def test_encode_refuses_what_the_wire_cannot_say(context: GlucoseContext) -> None:
    with pytest.raises(ValueError, match=r"sent together|four bits|medication in|cannot say"):
        encode(context)


def test_only_hba1c_is_measured() -> None:
    arrival = Arrival("meter", received_ns=1)
    assert to_samples(GlucoseContext(0, meal=1), arrival) == ()
    (sample,) = to_samples(GlucoseContext(0, hba1c_percent=6.5), arrival)
    assert sample.values.tolist() == [[6.5]]
