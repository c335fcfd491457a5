import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles import healthypi, healthypi5
from firmware_bridge.serial_profiles.healthypi import HealthyPiFrame
from firmware_bridge.serial_profiles.healthypi5 import HealthyPi5Frame
from firmware_bridge.serial_profiles.openview import wrapped

I16 = st.integers(-0x8000, 0x7FFF)
I32 = st.integers(-(1 << 31), (1 << 31) - 1)
U8 = st.integers(0, 255)
SPO2 = st.integers(0, 100)
ARRIVAL = Arrival("board", received_ns=7)


@given(st.builds(HealthyPiFrame, I16, I16, I32, I32, I16, U8, SPO2, U8, st.tuples(U8, U8), U8))
def test_round_trip(frame: HealthyPiFrame) -> None:
    assert healthypi.decode(healthypi.encode(frame)) == frame


@given(st.builds(HealthyPi5Frame, I32, st.none() | I32, I32, I32, SPO2))
def test_round_trip_of_5(frame: HealthyPi5Frame) -> None:
    assert healthypi5.decode(healthypi5.encode(frame)) == frame


def test_encode_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        healthypi.encode(HealthyPiFrame(0x8000, 0, 0, 0, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="does not fit"):
        healthypi5.encode(HealthyPi5Frame(1 << 31, 0, 0, 0, 0))
    with pytest.raises(ValueError, match="20 bytes"):
        wrapped(b"")


def test_a_lead_that_is_off_takes_the_rates_with_it() -> None:
    frame = HealthyPiFrame(1, 2, 3, 4, 3650, 16, 97, 72, status=1)
    vitals = healthypi.to_samples(frame, ARRIVAL)[-1]
    assert dict(vitals.absent) == {0: Absence.NO_CONTACT, 1: Absence.NO_CONTACT}
    assert vitals.values[0, 2:].tolist() == [97.0, 36.5]


def test_a_zero_is_no_vital_sign_and_no_blood_pressure_is_made_up() -> None:
    vitals = healthypi.to_samples(HealthyPiFrame(1, 2, 3, 4, 3650, 0, 0, 0), ARRIVAL)[-1]
    assert dict(vitals.absent) == dict.fromkeys(range(3), Absence.MEASUREMENT_FAILED)
    names = [channel.name for channel in vitals.channels]
    assert names == ["heart_rate", "respiration_rate", "spo2", "temperature"]


def test_5_sends_bioimpedance_every_other_frame() -> None:
    streams = [s.stream for s in healthypi5.to_samples(HealthyPi5Frame(1, 2, 3, 4, 97), ARRIVAL)]
    assert streams == ["ecg", "ppg", "pulse_oximeter", "resp"]
    assert len(healthypi5.to_samples(HealthyPi5Frame(1, None, 3, 4, 97), ARRIVAL)) == 3
