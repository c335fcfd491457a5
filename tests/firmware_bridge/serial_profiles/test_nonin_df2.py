import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.nonin_df2 import (
    FRAMES,
    NoninPacket,
    NoninStatus,
    decode,
    encode,
    to_samples,
)

NONE = st.just(Absence.MEASUREMENT_FAILED)
RATES = NONE | st.integers(0, 510)
SPO2 = NONE | st.integers(0, 100)
GOOD = (0x81,) + (0x80,) * (FRAMES - 1)
PLETH = tuple(range(FRAMES))


@given(
    st.builds(
        NoninPacket,
        statuses=st.just(GOOD),
        pleth=st.tuples(*[st.integers(0, 255)] * FRAMES),
        heart_rate=RATES,
        spo2=SPO2,
        heart_rate_extended=RATES,
        spo2_extended=SPO2,
        heart_rate_display=RATES,
        spo2_display=SPO2,
        heart_rate_extended_display=RATES,
        spo2_extended_display=SPO2,
        spo2_fast=SPO2,
        spo2_beat=SPO2,
        revision=st.integers(0, 255),
        timer=st.integers(0, 0x3FFF),
        status_2=st.integers(0, 255),
    )
)
def test_round_trip(packet: NoninPacket) -> None:
    assert decode(encode(packet)) == packet


def test_encode_sets_the_marks() -> None:
    packet = NoninPacket((0,) * FRAMES, PLETH, 72, 97)
    assert decode(encode(packet)).statuses == GOOD


@pytest.mark.parametrize(
    "packet",
    [
        NoninPacket(GOOD, PLETH[:24], 72, 97),
        NoninPacket(GOOD, PLETH, 511, 97),
        NoninPacket(GOOD, PLETH, 72, 127),
        NoninPacket(GOOD, PLETH, 72, 97, timer=0x4000),
    ],
)
def test_encode_refuses_what_does_not_fit(packet: NoninPacket) -> None:
    with pytest.raises(ValueError, match=r"25 frames|no whole number"):
        encode(packet)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (NoninStatus.DISCONNECTED, Absence.SENSOR_FAULT),
        (NoninStatus.SENSOR_ALARM, Absence.NO_CONTACT),
        (NoninStatus.OUT_OF_TRACK, Absence.SEARCHING),
        (NoninStatus.ARTIFACT, None),
    ],
)
def test_the_flags_say_why(status: NoninStatus, reason: Absence | None) -> None:
    packet = NoninPacket((*GOOD[:-1], 0x80 | status), PLETH, 72, 97)
    oximetry, _ = to_samples(packet, Arrival("nonin", received_ns=10**9))
    assert oximetry.absent.get(0) is reason


def test_the_plethysmogram_ends_with_the_arrival() -> None:
    _, pleth = to_samples(NoninPacket(GOOD, PLETH, 72, 97), Arrival("nonin", received_ns=10**9))
    assert pleth.values.shape == (25, 1)
    assert pleth.timestamp_ns + 24 * pleth.interval_ns == 10**9
