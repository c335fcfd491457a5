import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.polar import acc, ecg, gyro, ppg
from firmware_bridge.polar.pmd import PmdFrame, PmdType
from firmware_bridge.sampling import Arrival

EPOCH_NS = 946_684_800 * 10**9
STREAMS = {PmdType.ECG: ecg, PmdType.PPG: ppg, PmdType.ACC: acc, PmdType.GYRO: gyro}
SHAPES = [(kind, shape) for kind, stream in STREAMS.items() for shape in stream.LAYOUTS]


@st.composite
def frames(draw: st.DrawFn, kind: PmdType, shape: tuple[int, bool]) -> PmdFrame:
    layout = STREAMS[kind].LAYOUTS[shape]
    half = 1 << 8 * layout.size - 1
    numbers: st.SearchStrategy[float] = st.integers(-half, half - 1)
    if layout.is_float:
        # Differences of float bits must fit 32: the same sign keeps them near.
        numbers = st.floats(0, 2000, width=32)
    readings = st.lists(st.tuples(*[numbers] * layout.channels), min_size=1, max_size=6)
    clock = st.integers(0, 2**64 - 1)
    return PmdFrame(kind, draw(clock), *shape, tuple(draw(readings)))


@pytest.mark.parametrize(("kind", "shape"), SHAPES)
@given(data=st.data())
def test_round_trip(kind: PmdType, shape: tuple[int, bool], data: st.DataObject) -> None:
    frame = data.draw(frames(kind, shape))
    assert STREAMS[kind].decode(STREAMS[kind].encode(frame)) == frame


@pytest.mark.parametrize(
    "frame",
    [
        PmdFrame(PmdType.ECG, 0, 0, compressed=False, readings=()),
        PmdFrame(PmdType.ECG, 0, 0, compressed=False, readings=((1, 2),)),
        PmdFrame(PmdType.ECG, 0, 0, compressed=False, readings=((1.5,),)),
        PmdFrame(PmdType.ECG, 0, 0, compressed=False, readings=((1 << 23,),)),
        PmdFrame(PmdType.ECG, 0, 9, compressed=False, readings=((1,),)),
        PmdFrame(PmdType.ECG, 2**64, 0, compressed=False, readings=((1,),)),
        PmdFrame(PmdType.ECG, 0, 0, compressed=False, readings=((1,),) * 200),
    ],
)
def test_encode_refuses_what_a_frame_cannot_hold(frame: PmdFrame) -> None:
    with pytest.raises(ValueError, match=r"channels|counts|outside|no layout|more than"):
        ecg.encode(frame)


def test_the_time_stamp_is_that_of_the_last_reading() -> None:
    frame = PmdFrame(PmdType.ECG, 10**9, 0, compressed=False, readings=((1,), (2,), (3,)))
    (sample,) = ecg.to_samples(frame, Arrival("h10", received_ns=5, rate_hz=100.0))
    assert sample.interval_ns == 10_000_000
    assert sample.timestamp_ns == EPOCH_NS + 10**9 - 20_000_000
    assert sample.values.tolist() == [[1.0], [2.0], [3.0]]
    assert sample.channels[0].unit == "uV"


def test_a_sensor_without_a_clock_has_the_time_of_the_arrival() -> None:
    frame = PmdFrame(PmdType.ECG, 0, 0, compressed=False, readings=((1,),))
    (sample,) = ecg.to_samples(frame, Arrival("h10", received_ns=5))
    assert sample.timestamp_ns == 5


@pytest.mark.parametrize(
    ("frame_type", "compressed", "factor", "expected"),
    [(1, False, 7.0, 1.0), (1, True, 0.5, 0.5), (0, True, 0.002, 2.0)],
)
def test_acceleration_is_in_g(
    frame_type: int, compressed: bool, factor: float, expected: float
) -> None:
    frame = PmdFrame(PmdType.ACC, 0, frame_type, compressed, ((1000, 0, 0),))
    (sample,) = acc.to_samples(frame, Arrival("sense", received_ns=5, factor=factor))
    assert sample.channels[0].unit == "[g]"
    assert sample.values[0] == pytest.approx([expected, 0.0, 0.0])


def test_rotation_is_in_degrees_a_second() -> None:
    frame = PmdFrame(PmdType.GYRO, 0, 0, compressed=True, readings=((100, 0, -100),))
    (sample,) = gyro.to_samples(frame, Arrival("sense", received_ns=5, factor=0.5))
    assert sample.channels[0].unit == "deg/s"
    assert sample.values.tolist() == [[50.0, 0.0, -50.0]]


def test_an_absurd_factor_stays_finite() -> None:
    frame = PmdFrame(PmdType.GYRO, 0, 0, compressed=True, readings=((100, 0, -100),))
    (sample,) = gyro.to_samples(frame, Arrival("sense", received_ns=5, factor=3e38))
    assert np.isfinite(sample.values).all()


def test_the_status_word_of_ppg_is_no_signal() -> None:
    frame = PmdFrame(PmdType.PPG, 0, 7, compressed=True, readings=((3,) * 17,))
    (sample,) = ppg.to_samples(frame, Arrival("sense", received_ns=5))
    assert sample.values.shape == (1, 16)
    plain = PmdFrame(PmdType.PPG, 0, 0, compressed=False, readings=((3,) * 4,))
    (sample,) = ppg.to_samples(plain, Arrival("sense", received_ns=5))
    assert [channel.name for channel in sample.channels] == ["ppg0", "ppg1", "ppg2", "ambient"]
