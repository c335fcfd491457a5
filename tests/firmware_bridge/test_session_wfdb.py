import datetime

import numpy as np
import pytest

from firmware_bridge.errors import RecordingError

wfdb = pytest.importorskip("wfdb", reason="the extra wfdb is not installed")

from firmware_bridge.session_wfdb import read_session_wfdb  # noqa: E402  # after the skip


def test_a_record_comes_back_in_physical_units(tmp_path):
    time = np.arange(1000) / 360
    signal = np.stack([np.sin(time), 100 * np.cos(time)], axis=1)
    signal[400:420, 1] = np.nan
    wfdb.wrsamp(
        "100",
        fs=360,
        units=["mV", "mmHg"],
        sig_name=["MLII", "ABP"],
        p_signal=signal,
        fmt=["16", "16"],
        write_dir=str(tmp_path),
        base_date=datetime.date(2020, 1, 2),
        base_time=datetime.time(3, 4, 5),
    )
    (session,) = read_session_wfdb(tmp_path / "100.hea")
    assert [(c.name, c.unit) for c in session.channels] == [("MLII", "mV"), ("ABP", "mm[Hg]")]
    assert session.interval_ns == 2_777_778
    assert [len(segment.readings) for segment in session.segments] == [400, 580]
    assert np.allclose(session.segments[1].readings, signal[420:], atol=0.01)


def test_what_is_no_record_is_said(tmp_path):
    with pytest.raises(RecordingError, match="is not read as WFDB"):
        read_session_wfdb(tmp_path / "none.hea")
