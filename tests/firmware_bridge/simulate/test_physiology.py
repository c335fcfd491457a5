from itertools import islice

import numpy as np
import pytest

from firmware_bridge.profiles import profile
from firmware_bridge.sampling import Arrival
from firmware_bridge.simulate.physiology import model, model_names, model_values

ARRIVAL = Arrival(sensor="sensor", received_ns=0)
PLAUSIBLE = {
    "heart_rate": (40, 150),
    "rr": (400, 1500),
    "temperature": (35, 39),
    "spo2": (85, 100),
    "pulse_rate": (40, 120),
    "systolic": (90, 160),
    "diastolic": (55, 110),
    "mean": (60, 140),
}


@pytest.mark.parametrize("name", model_names())
def test_an_hour_is_plausible(name):
    found = profile(name)
    for value in islice(model_values(name, np.random.default_rng(1)), 3600):
        for sample in found.to_samples(found.decode(value), ARRIVAL):
            for channel, measured in zip(sample.channels, sample.values[0], strict=True):
                low, high = PLAUSIBLE[channel.name]
                assert low <= measured <= high, channel.name


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
    with pytest.raises(LookupError, match="no model of 'glucose'"):
        model("glucose")
