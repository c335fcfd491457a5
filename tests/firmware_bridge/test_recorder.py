import numpy as np
import pytest

from firmware_bridge.profiles import profile
from firmware_bridge.raw_recording import REOPENED
from firmware_bridge.recorder import FrameCutter, Recorder
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.sample import Channel
from firmware_bridge.serial_profiles.openbci_cyton import CytonFrame, encode

WALK = np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32)
SESSION = RecordedSession(
    (Channel("ax", "[g]"), Channel("ay", "[g]")), 20_000_000, (Segment("walk", 0, WALK),)
)
OWN = [frame for _, frame in segments_to_frames(SESSION)]
CYTON = [encode(CytonFrame(n, tuple(range(n, n + 8)))) for n in range(20)]


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize(
    ("link", "frames"), [(None, OWN), (profile("openbci_cyton").serial, CYTON)]
)
def test_frames_are_recorded_however_they_were_read(link, frames, size):
    got = []
    recorder = Recorder("x", "serial", FrameCutter(link), got.append)
    data = b"".join(frames)
    for at in range(0, len(data), size):
        recorder.received(at, data[at : at + size])
    assert [frame.data for frame in got] == frames
    assert {(frame.src, frame.ch) for frame in got} == {("x", "serial")}
    assert recorder.garbage == 0


def test_a_notified_value_is_a_frame():
    got = []
    recorder = Recorder("strap", "2a37", None, got.append)
    recorder.received(5, b"\x00\x48")
    assert (got[0].t_ns, got[0].ch, got[0].data) == (5, "2a37", b"\x00\x48")


def test_garbage_is_counted_and_an_outage_recorded():
    got = []
    recorder = Recorder("x", "serial", FrameCutter(profile("openbci_cyton").serial), got.append)
    recorder.reopened()
    recorder.received(1, b"\x01\x02" + CYTON[0] + CYTON[1][:10])
    recorder.reopened()
    recorder.received(2, CYTON[2])
    assert [(frame.t_ns, frame.ch) for frame in got] == [
        (1, "serial"),
        (1, REOPENED),
        (2, "serial"),
    ]
    assert got[2].data == CYTON[2]
    assert recorder.garbage == 12
