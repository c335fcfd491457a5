from itertools import islice

import numpy as np
import pytest

from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.sampling import Arrival
from firmware_bridge.simulate.physiology import model, model_names, model_values

ARRIVAL = Arrival(sensor="sensor", received_ns=0)
PLAUSIBLE = {
    "battery": (0, 100),
    "heart_rate": (40, 150),
    "rr": (400, 1500),
    "ppi": (400, 1500),
    "temperature": (30, 39),
    "respiration_rate": (8, 30),
    "spo2": (85, 100),
    "pulse_rate": (40, 120),
    "systolic": (90, 160),
    "diastolic": (55, 110),
    "mean": (60, 140),
    "glucose": (55, 200),
    "weight": (60, 85),
    # Waves: counts, microvolts, g.
    "pleth": (0, 255),
    "ecg": (-500, 1500),
    "resp": (-2000, 2000),
    "ambient": (14_000, 16_000),
    **{f"{light}": (50_000, 250_000) for light in ("ppg_ir", "ppg_red", "ppg0", "ppg1", "ppg2")},
    **{f"ch{electrode}": (-80, 80) for electrode in range(1, 9)},
    **dict.fromkeys(("ax", "ay", "az"), (-2, 2)),
    **dict.fromkeys(("gx", "gy", "gz"), (-150, 150)),
}
# Slow sensors are looked at for as many values, fast ones for a minute or so.
VALUES = 1000


@pytest.mark.parametrize("name", model_names())
def test_what_is_measured_is_plausible_and_always_there(name):
    found = profile(name)
    seen = set()
    count = VALUES // (10 if name.startswith("polar") else 1)
    for value in islice(model_values(name, np.random.default_rng(1)), count):
        for sample in found.to_samples(found.decode(value), ARRIVAL):
            assert not sample.absent
            for at, channel in enumerate(sample.channels):
                low, high = PLAUSIBLE[channel.name]
                assert low <= sample.values[:, at].min(), channel.name
                assert sample.values[:, at].max() <= high, channel.name
                seen.add(channel.name)
    assert seen


@pytest.mark.parametrize("name", ["contec_5byte", "polar_ecg", "healthypi"])
def test_waves_beat_as_often_as_the_rate_says(name):
    found, wave = profile(name), []
    frames = 3600 if name != "polar_ecg" else 60 * 5
    for value in islice(model_values(name, np.random.default_rng(1)), frames):
        for sample in found.to_samples(found.decode(value), ARRIVAL):
            if sample.channels[0].name in ("pleth", "ecg"):
                wave += sample.values[:, 0].tolist()
    seconds = frames * model(name).interval_s
    high = np.array(wave) > 0.6 * max(wave)
    beats = np.count_nonzero(high[1:] & ~high[:-1])
    assert beats == pytest.approx(seconds / 0.85, rel=0.1)


@pytest.mark.parametrize("name", model_names())
def test_a_seed_gives_the_same_values_and_another_one_others(name):
    def values(seed):
        return list(islice(model_values(name, np.random.default_rng(seed)), 50))

    assert values(1) == values(1) != values(2)
    assert model(name).interval_s > 0


def test_heart_rate_tells_of_every_beat_once():
    measured = islice(model("heart_rate").measurements(np.random.default_rng(1)), 600)
    beats_s = sum(rr for value in measured for rr in value.rr_1024) / 1024
    assert beats_s == pytest.approx(600, abs=2)


def test_a_profile_without_a_model_is_refused():
    with pytest.raises(LookupError, match="no model of 'body_composition'"):
        model("body_composition")


def test_every_serial_profile_with_an_encoder_has_a_model():
    serial = [found for found in map(profile, profile_names()) if found.serial is not None]
    without = {found.name for found in serial if found.encode is not None} - set(model_names())
    # Bluetooth alone: its command stream is not a serial sensor's.
    assert without == {"contec_cms50d_bt"}
