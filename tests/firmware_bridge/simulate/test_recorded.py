import numpy as np
import pytest

from firmware_bridge.profiles import profile
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel
from firmware_bridge.sampling import Arrival
from firmware_bridge.simulate.recorded import recorded_values

ARRIVAL = Arrival(sensor="sensor", received_ns=0)


def session(**columns):
    readings = np.array(list(columns.values()), np.float32).T
    channels = tuple(Channel(name, "1") for name in columns)
    first, second = Segment(None, 0, readings[:1]), Segment(None, 10**10, readings[1:])
    return RecordedSession(channels, 10**9, (first, second))


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("heart_rate", {"heart_rate": [60, 61, 255, 300]}),
        ("health_thermometer", {"temperature": [36.55, 40.1, 35.0]}),
        ("pulse_oximeter_continuous", {"spo2": [97.5, 100, 88], "pulse_rate": [61, 250, 40.2]}),
        (
            "blood_pressure",
            {"systolic": [120.5, 251], "diastolic": [80, 110], "mean": [93.3, 160]},
        ),
    ],
)
def test_what_was_recorded_is_read_again(name, columns):
    recorded = session(noise=[0.5] * len(next(iter(columns.values()))), **columns)
    found = profile(name)
    read = [
        found.to_samples(found.decode(value), ARRIVAL)[0].values[0, : len(columns)]
        for value in recorded_values(name, recorded)
    ]
    assert np.allclose(read, np.array(list(columns.values())).T, atol=0.005)


def test_a_recording_without_the_channel_is_refused():
    with pytest.raises(LookupError, match="needs the channel 'spo2'"):
        recorded_values("pulse_oximeter_continuous", session(pulse_rate=[60, 61]))


def test_a_profile_that_no_recording_makes_is_refused():
    with pytest.raises(LookupError, match="no recording is made to 'glucose'"):
        recorded_values("glucose", session(glucose=[100, 101]))
