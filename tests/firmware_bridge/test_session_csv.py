import numpy as np
import pytest

from firmware_bridge.errors import RecordingError
from firmware_bridge.sample import Channel
from firmware_bridge.session_csv import read_session_csv


def written(tmp_path, text):
    path = tmp_path / "session.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_gap_and_another_label_end_a_segment(tmp_path):
    path = written(
        tmp_path,
        "seconds,ax/[g],w/rad/s,label\n"
        "0.00,1,2,walk\n0.02,3,4,walk\n0.04,5,6,rest\n0.06,7,8,\n1.00,9,10,\n",
    )
    session = read_session_csv(path)
    assert session.channels == (Channel("ax", "[g]"), Channel("w", "rad/s"))
    assert session.interval_ns == 20_000_000
    told = [(s.label, s.start_ns, s.readings.tolist()) for s in session.segments]
    assert told == [
        ("walk", 0, [[1, 2], [3, 4]]),
        ("rest", 40_000_000, [[5, 6]]),
        (None, 60_000_000, [[7, 8]]),
        (None, 10**9, [[9, 10]]),
    ]


def test_a_label_and_a_unit_may_be_missing(tmp_path):
    session = read_session_csv(written(tmp_path, "seconds,spo2\n5,97\n6,98\n7,96.5\n"))
    assert session.channels == (Channel("spo2", "1"),)
    assert np.array_equal(session.segments[0].readings, [[97], [98], [96.5]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1"),
        ("t,ax\n0,1\n", "line 1"),
        ("seconds,label\n0,walk\n", "line 1"),
        ("seconds,ax\n0,1\n", "fewer than two"),
        ("seconds,ax\n0,1\n1\n", "line 3 has 1 columns"),
        ("seconds,ax\n0,1\n1,x\n", "line 3: could not convert"),
        ("seconds,ax\n0,1\n1,nan\n", "line 3 has a value that is no number"),
        ("seconds,ax\n1,1\n1,2\n1,3\n", "do not grow"),
        ("seconds,ax\n0,1\n1,2\n2,3\n1,3\n", "starts before"),
    ],
)
def test_what_is_no_session_is_said_with_its_line(tmp_path, text, words):
    with pytest.raises(RecordingError, match=words):
        read_session_csv(written(tmp_path, text))


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RecordingError, match="No such file"):
        read_session_csv(tmp_path / "none.csv")
