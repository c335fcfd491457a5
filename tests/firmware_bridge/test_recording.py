import numpy as np
import pytest

from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel

CHANNELS = (Channel("ax", "[g]"), Channel("ay", "[g]"))


def segment(start_ns=0, readings=3):
    return Segment("walk", start_ns, np.zeros((readings, 2), np.float32))


def test_segments_may_touch():
    session = RecordedSession(CHANNELS, 10, (segment(5), segment(35)))
    assert session.end_ns(session.segments[0]) == 35


@pytest.mark.parametrize(
    ("interval_ns", "segments"),
    [
        (0, (segment(),)),
        (10, ()),
        (10, (segment(0), segment(29))),
        (10, (segment(readings=0),)),
        (10, (Segment(None, 0, np.zeros((3, 1), np.float32)),)),
        (10, (Segment(None, 0, np.zeros(4, np.float32)),)),
        (10, (Segment(None, 0, np.zeros((3, 2), np.float64)),)),
        (10, (Segment(None, 0, np.full((3, 2), np.nan, np.float32)),)),
    ],
)
def test_an_impossible_session_is_refused(interval_ns, segments):
    with pytest.raises(ValueError, match=r"segment"):
        RecordedSession(CHANNELS, interval_ns, segments)
