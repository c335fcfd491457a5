import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.openbci_cyton import (
    CytonFrame,
    decode,
    encode,
    to_samples,
)

COUNTS = st.integers(-(1 << 23), (1 << 23) - 1)


@given(
    st.builds(
        CytonFrame,
        sample_number=st.integers(0, 255),
        channels=st.tuples(*[COUNTS] * 8),
        aux=st.binary(min_size=6, max_size=6),
        stop_byte=st.integers(0xC0, 0xCF),
    )
)
def test_round_trip(frame: CytonFrame) -> None:
    assert decode(encode(frame)) == frame


@pytest.mark.parametrize(
    "frame",
    [
        CytonFrame(0, (0,) * 7),
        CytonFrame(0, (0,) * 8, aux=b""),
        CytonFrame(0, (0,) * 8, stop_byte=0xD0),
        CytonFrame(256, (0,) * 8),
        CytonFrame(0, (1 << 23,) + (0,) * 7),
    ],
)
def test_encode_refuses_what_does_not_fit(frame: CytonFrame) -> None:
    with pytest.raises(ValueError, match=r"no frame|no whole number|24 bits"):
        encode(frame)


def test_counts_become_microvolts_and_g() -> None:
    frame = CytonFrame(0, (8388607,) + (0,) * 7, aux=bytes.fromhex("20000000e000"))
    exg, pull = to_samples(frame, Arrival("cyton", received_ns=7))
    assert exg.values[0, 0] == pytest.approx(187_500.0)
    assert (exg.channels[0].unit, exg.interval_ns) == ("uV", 4_000_000)
    assert pull.values[0] == pytest.approx([1.024, 0.0, -1.024])


def test_an_accelerometer_without_news_is_silent() -> None:
    arrival = Arrival("cyton", received_ns=7)
    assert len(to_samples(CytonFrame(0, (0,) * 8), arrival)) == 1
    assert len(to_samples(CytonFrame(0, (0,) * 8, aux=b"\1" * 6, stop_byte=0xC1), arrival)) == 1
