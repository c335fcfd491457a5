import numpy as np
import pytest

from firmware_bridge.frame import Batch, encode_frame
from firmware_bridge.serial_discovery import LineEvidence, line_trials
from firmware_bridge.serial_profiles import healthypi, healthypi5
from firmware_bridge.serial_profiles.bci_5byte import BciFrame
from firmware_bridge.serial_profiles.bci_5byte import encode as encode_bci

RATES = {"temperature_centi": 3650, "respiration_rate": 14, "spo2": 97, "heart_rate": 70}
STREAMS = {
    "healthypi": [
        healthypi.encode(healthypi.HealthyPiFrame(n, n, 2 * n, 3 * n, **RATES)) for n in range(20)
    ],
    "healthypi5": [
        healthypi5.encode(healthypi5.HealthyPi5Frame(70_000 + n, 9, 80_000, 90_000, 97))
        for n in range(20)
    ],
    "bci_5byte": [encode_bci(BciFrame(97, 70, pleth=n)) for n in range(20)],
    "perfuse_frame": [encode_frame(Batch(0, n, n, bytes(20))) for n in range(20)],
}


def trial_of(name):
    return next(trial for trial in line_trials() if name in trial.profiles)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_bytes_fit_their_profile_however_they_are_cut(name, size):
    evidence = LineEvidence(trial_of(name))
    # A listener comes in the middle of a frame.
    data = b"".join(STREAMS[name])[3:]
    for at in range(0, len(data), size):
        evidence.receive(data[at : at + size])
    # A HealthyPi 5's frames are also good frames of an older one: nobody can tell.
    also = ("healthypi",) if name == "healthypi5" else ()
    assert evidence.fitting() == (*also, name)


def test_noise_fits_nothing():
    noise = np.random.default_rng(1).bytes(60_000)
    for trial in line_trials():
        evidence = LineEvidence(trial)
        evidence.receive(noise)
        assert evidence.fitting() == ()


def test_two_frames_are_not_enough():
    evidence = LineEvidence(trial_of("bci_5byte"))
    evidence.receive(b"".join(STREAMS["bci_5byte"][:2]))
    assert evidence.fitting() == ()


def test_a_line_that_babbles_is_not_looked_at_for_ever():
    evidence = LineEvidence(trial_of("bci_5byte"))
    evidence.receive(bytes(1 << 20))
    assert evidence.received == 1 << 16


def test_a_baud_rate_that_is_known_leaves_less_to_try():
    assert {trial.baudrate for trial in line_trials((9600,))} == {9600}
    asked = [trial.commands is not None for trial in line_trials()]
    assert asked == sorted(asked)
