import numpy as np
import pytest

from firmware_bridge.profiles import profile
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel
from firmware_bridge.sampling import Arrival
from firmware_bridge.simulate.recorded import frames_interval_s, recorded_names, recorded_values

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
        ("contec_5byte", {"spo2": [97, 88], "pulse_rate": [61, 200], "pleth": [0, 127]}),
        ("contec_9byte", {"spo2": [97, 88], "pulse_rate": [61, 200], "pleth": [0, 127]}),
        ("bci_5byte", {"spo2": [97, 88], "pulse_rate": [61, 200], "pleth": [0, 127]}),
        (
            "openbci_cyton",
            {f"ch{i}": [10.0 * i, -1000.0] for i in range(1, 9)}
            | {"ax": [0.1, -1]}
            | {"ay": [0.0, 0.5], "az": [1.0, -3.9]},
        ),
        (
            "healthypi",
            {"ecg": [-700, 900], "resp": [5, -5], "ppg_ir": [100_000, 7], "ppg_red": [60_000, 8]}
            | {"temperature": [36.55, 31.2], "respiration_rate": [15, 16]}
            | {"spo2": [97, 98], "heart_rate": [60, 61]},
        ),
    ],
)
def test_what_was_recorded_is_read_again(name, columns):
    recorded = session(noise=[0.5] * len(next(iter(columns.values()))), **columns)
    found = profile(name)
    read = []
    for value in recorded_values(name, recorded):
        row = {}
        for sample in found.to_samples(found.decode(value), ARRIVAL):
            row |= zip((c.name for c in sample.channels), sample.values[0].tolist(), strict=True)
        read.append([row[column] for column in columns])
    assert np.allclose(read, np.array(list(columns.values())).T, atol=0.02)


def test_a_nonin_packet_takes_25_readings_and_the_last_ones_that_fill_none_are_left_out():
    count = 60
    columns = {"spo2": [97] * count, "pulse_rate": [70] * count, "pleth": list(range(count))}
    packets = list(recorded_values("nonin_df2", session(**columns)))
    found = profile("nonin_df2")
    assert [found.decode(packet).pleth for packet in packets] == [
        tuple(range(25)),
        tuple(range(25, 50)),
    ]
    assert frames_interval_s("nonin_df2", 1 / 75) == pytest.approx(1 / 3)


def test_a_recording_without_the_channel_is_refused():
    with pytest.raises(LookupError, match="needs the channel 'spo2'"):
        recorded_values("pulse_oximeter_continuous", session(pulse_rate=[60, 61]))


def test_a_profile_that_no_recording_makes_is_refused():
    with pytest.raises(LookupError, match="no recording can be sent as 'glucose'"):
        recorded_values("glucose", session(glucose=[100, 101]))
    assert "glucose" not in recorded_names()
