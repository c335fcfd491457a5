import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.polar.control_point import (
    ControlResponse,
    Setting,
    decode,
    encode,
    get_settings,
    start,
    stop,
)
from firmware_bridge.polar.pmd import CONTROL, PmdType
from firmware_bridge.profiles import profile

VALUES = st.one_of(
    st.tuples(st.just(Setting.RATE_HZ), st.lists(st.integers(0, 0xFFFF), max_size=4).map(tuple)),
    st.tuples(st.just(Setting.CHANNELS), st.lists(st.integers(0, 255), max_size=4).map(tuple)),
    st.tuples(st.just(Setting.FACTOR), st.just((0x3F000000,))),
)


@given(
    st.builds(
        ControlResponse,
        request=st.integers(0, 255),
        measurement=st.integers(0, 255),
        status=st.just(0),
        more=st.booleans(),
        settings=st.lists(VALUES, max_size=4).map(tuple),
    )
)
def test_round_trip(response: ControlResponse) -> None:
    assert decode(encode(response)) == response


def test_requests() -> None:
    # The request that Polar's documentation gives for the ECG of an H10.
    settings = ((Setting.RATE_HZ, 130), (Setting.RESOLUTION_BITS, 14))
    assert start(PmdType.ECG, *settings).hex() == "020000018200" + "01010e00"
    assert stop(PmdType.PPI).hex() == "0303"
    assert get_settings(PmdType.ACC).hex() == "0102"
    with pytest.raises(ValueError, match="RATE_HZ 65536"):
        start(PmdType.ECG, (Setting.RATE_HZ, 0x10000))


def test_a_stream_is_started_through_the_control_point() -> None:
    link = profile("polar_ecg").gatt
    assert link is not None
    assert link.start == ((CONTROL, bytes.fromhex("02000001820001010e00")),)


def test_the_factor_of_a_count() -> None:
    assert ControlResponse(2, 5, 0).factor == 1.0
    assert ControlResponse(2, 5, 0, settings=((Setting.FACTOR, (0x3F000000,)),)).factor == 0.5
