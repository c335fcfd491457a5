import datetime

import numpy as np
import pytest

from firmware_bridge.errors import RecordingError
from firmware_bridge.session_edf import read_session_edf

edfio = pytest.importorskip("edfio")


@pytest.fixture
def night(tmp_path):
    """Two signals of 100 Hz and one of 1 Hz, with sleep stages as annotations."""
    time = np.arange(3000) / 100
    signals = [
        edfio.EdfSignal(100 * np.sin(time), 100, label="EEG Fpz-Cz", physical_dimension="uV"),
        edfio.EdfSignal(50 * np.cos(time), 100, label="EOG", physical_dimension="uV"),
        edfio.EdfSignal(np.linspace(36, 37, 30), 1, label="Temp", physical_dimension="degC"),
    ]
    stages = [
        edfio.EdfAnnotation(0, 10, "Sleep stage W"),
        edfio.EdfAnnotation(10, 15, "Sleep stage 1"),
        edfio.EdfAnnotation(12, None, "Lights off"),
    ]
    path = tmp_path / "night.edf"
    recording = edfio.Recording(startdate=datetime.date(2024, 3, 5))
    edfio.Edf(
        signals, annotations=stages, recording=recording, starttime=datetime.time(22, 30)
    ).write(path)
    return path, time


def test_signals_of_one_rate_are_one_session_with_labels(night):
    path, time = night
    fast, slow = read_session_edf(path)
    assert [(c.name, c.unit) for c in fast.channels] == [("EEG Fpz-Cz", "uV"), ("EOG", "uV")]
    assert [(c.name, c.unit) for c in slow.channels] == [("Temp", "Cel")]
    assert (fast.interval_ns, slow.interval_ns) == (10_000_000, 1_000_000_000)
    labels = [(segment.label, len(segment.readings)) for segment in fast.segments]
    assert labels == [("Sleep stage W", 1000), ("Sleep stage 1", 1500), (None, 500)]
    readings = np.concatenate([segment.readings for segment in fast.segments])
    assert np.allclose(readings[:, 0], 100 * np.sin(time), atol=0.01)
    began = datetime.datetime(2024, 3, 5, 22, 30, tzinfo=datetime.UTC)
    assert fast.segments[0].start_ns == began.timestamp() * 1e9
    assert sum(len(segment.readings) for segment in slow.segments) == 30


def test_what_is_no_edf_is_said(tmp_path):
    path = tmp_path / "a.edf"
    path.write_bytes(b"no edf at all" * 100)
    with pytest.raises(RecordingError, match="is not read as EDF"):
        read_session_edf(path)
