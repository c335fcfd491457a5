"""Round trips of the oximeters, and what their flags do to the samples."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sample import Absence, Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles import (
    bci_5byte,
    contec_5byte,
    contec_9byte,
    contec_cms50d_bt,
)
from firmware_bridge.serial_profiles.bci_5byte import BciFrame
from firmware_bridge.serial_profiles.contec_5byte import Contec5Frame
from firmware_bridge.serial_profiles.contec_9byte import Contec9Frame
from firmware_bridge.serial_profiles.contec_cms50d_bt import ContecBtParams, ContecBtWaveform

NONE = st.just(Absence.MEASUREMENT_FAILED)
COMMON: dict[str, Any] = {
    "spo2": NONE | st.integers(0, 100),
    "pulse_rate": NONE | st.integers(0, 254),
    "bargraph": st.integers(0, 15),
    "signal_strength": st.integers(0, 15),
}
ARRIVAL = Arrival("oximeter", received_ns=10**9)


@given(st.builds(BciFrame, **COMMON, pleth=st.integers(0, 127), no_finger=st.booleans()))
def test_bci_round_trip(frame: BciFrame) -> None:
    assert bci_5byte.decode(bci_5byte.encode(frame)) == frame


@given(st.builds(Contec5Frame, **COMMON, waveform=st.integers(0, 127), searching=st.booleans()))
def test_contec_5byte_round_trip(frame: Contec5Frame) -> None:
    assert contec_5byte.decode(contec_5byte.encode(frame)) == frame


@given(
    st.builds(
        Contec9Frame,
        **COMMON,
        waveform=st.integers(0, 127),
        pi=st.integers(0, 0xFFFF),
        pi_valid_bit=st.integers(0, 1),
        probe_error=st.booleans(),
        searching=st.booleans(),
    )
)
def test_contec_9byte_round_trip(frame: Contec9Frame) -> None:
    assert contec_9byte.decode(contec_9byte.encode(frame)) == frame


@given(
    st.builds(
        ContecBtParams,
        spo2=COMMON["spo2"],
        pulse_rate=COMMON["pulse_rate"],
        status=st.integers(0, 255),
    )
    | st.builds(ContecBtWaveform, st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
)
def test_contec_bt_round_trip(frame: contec_cms50d_bt.ContecBt) -> None:
    assert contec_cms50d_bt.decode(contec_cms50d_bt.encode(frame)) == frame


@pytest.mark.parametrize(
    ("encode", "frame"),
    [
        (bci_5byte.encode, BciFrame(101, 60)),
        (bci_5byte.encode, BciFrame(97.5, 60)),
        (bci_5byte.encode, BciFrame(97, 255)),
        (bci_5byte.encode, BciFrame(97, 60, pleth=128)),
        (contec_5byte.encode, Contec5Frame(97, 60, bargraph=16)),
        (contec_9byte.encode, Contec9Frame(97, 60, pi=0x10000)),
        (contec_cms50d_bt.encode, ContecBtWaveform(256, 0)),
    ],
)
def test_encode_refuses_what_does_not_fit(encode: Callable[[Any], bytes], frame: object) -> None:
    with pytest.raises(ValueError, match="no whole number"):
        encode(frame)


def _reason(samples: tuple[Sample, ...]) -> Absence | None:
    absent = dict(samples[0].absent)
    assert absent in ({}, dict.fromkeys(range(2), absent.get(0)))
    return absent.get(0)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (BciFrame(97, 60), None),
        (BciFrame(97, 60, searching=True), Absence.SEARCHING),
        (BciFrame(97, 60, no_finger=True, searching=True), Absence.NO_CONTACT),
        (BciFrame(97, 60, no_signal=True), Absence.NO_CONTACT),
        (BciFrame(97, 60, probe_unplugged=True, no_finger=True), Absence.SENSOR_FAULT),
        (BciFrame(0, 0), Absence.MEASUREMENT_FAILED),
    ],
)
def test_bci_says_why(frame: BciFrame, reason: Absence | None) -> None:
    assert _reason(bci_5byte.to_samples(frame, ARRIVAL)) is reason


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({}, None),
        ({"searching": True}, Absence.SEARCHING),
        ({"searching": True, "searching_too_long": True}, Absence.NO_CONTACT),
        ({"probe_error": True, "searching": True}, Absence.SENSOR_FAULT),
    ],
)
def test_contec_says_why(flags: dict[str, bool], reason: Absence | None) -> None:
    five, nine = Contec5Frame(97, 60, **flags), Contec9Frame(97, 60, **flags)
    assert _reason(contec_5byte.to_samples(five, ARRIVAL)) is reason
    assert _reason(contec_9byte.to_samples(nine, ARRIVAL)) is reason


def test_contec_bt_says_why() -> None:
    absent = Absence.MEASUREMENT_FAILED
    samples = contec_cms50d_bt.to_samples(ContecBtParams(absent, absent), ARRIVAL)
    assert _reason(samples) is Absence.NO_CONTACT
    assert _reason(contec_cms50d_bt.to_samples(ContecBtParams(97, 60), ARRIVAL)) is None
    (pleth,) = contec_cms50d_bt.to_samples(ContecBtWaveform(72, 9), ARRIVAL)
    assert pleth.values.tolist() == [[72.0]]


def test_the_plethysmogram_is_a_stream_of_its_own() -> None:
    _, pleth = contec_9byte.to_samples(Contec9Frame(97, 60, waveform=44), ARRIVAL)
    assert (pleth.stream, pleth.interval_ns) == ("pleth", 16_666_667)
    assert pleth.values.tolist() == [[44.0]]


def test_commands_of_contec() -> None:
    assert contec_9byte.command(0xA1).hex() == "7d81a1808080808080"
    assert contec_9byte.command(0xAF).hex() == "7d81af808080808080"
