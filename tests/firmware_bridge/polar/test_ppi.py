import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.polar.ppi import Beat, PpiFrame, decode, encode, to_samples
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

U16 = st.integers(0, 0xFFFF)
BEATS = st.builds(Beat, st.integers(0, 255), U16, U16, st.booleans(), st.none() | st.booleans())


@given(
    st.builds(
        PpiFrame, st.integers(0, 2**64 - 1), st.lists(BEATS, min_size=1, max_size=9).map(tuple)
    )
)
def test_round_trip(frame: PpiFrame) -> None:
    assert decode(encode(frame)) == frame


def test_encode_refuses_a_frame_without_a_beat() -> None:
    with pytest.raises(ValueError, match="at least one beat"):
        encode(PpiFrame(0, ()))


def test_beats_end_where_the_next_begins() -> None:
    frame = PpiFrame(0, (Beat(60, 1000, 5), Beat(75, 800, 5)))
    first, second = to_samples(frame, Arrival("sense", received_ns=2_000_000_000))
    assert (first.timestamp_ns, second.timestamp_ns) == (1_200_000_000, 2_000_000_000)
    assert second.values.tolist() == [[800.0, 75.0]]


@pytest.mark.parametrize(
    ("beat", "reason"),
    [
        (Beat(60, 1000, 5, blocker=True), Absence.MEASUREMENT_FAILED),
        (Beat(60, 1000, 5, blocker=True, contact=False), Absence.NO_CONTACT),
        (Beat(0, 0, 0), Absence.MEASUREMENT_FAILED),
    ],
)
def test_a_beat_that_means_nothing_says_why(beat: Beat, reason: Absence) -> None:
    (sample,) = to_samples(PpiFrame(0, (beat,)), Arrival("sense", received_ns=0))
    assert dict(sample.absent) == {0: reason, 1: reason}
