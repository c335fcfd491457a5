from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from firmware_bridge.frame import Batch, MarkMessage, StreamDescription, decode_frame
from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames, session_scales
from firmware_bridge.sample import Channel, Mark, Sample

CHANNELS = (Channel("ax", "[g]"), Channel("ay", "[g]"))
SECOND = 10**9
INTERVAL = SECOND // 50


def session(*lengths, gap_ns=0):
    rng = np.random.default_rng(3)
    segments, clock = [], 7 * SECOND
    for index, length in enumerate(lengths):
        readings = rng.normal(size=(length, 2)).astype(np.float32)
        segments.append(Segment(f"exercise {index}", clock, readings))
        clock += length * INTERVAL + gap_ns
    return RecordedSession(CHANNELS, INTERVAL, tuple(segments))


def received(frames):
    stream = FrameStream("watch")
    events = stream.receive(b"".join(frame for _, frame in frames))
    counters = stream.counters
    assert (counters.malformed, counters.missing, counters.duplicates) == (0, 0, 0)
    return events


def test_readings_and_times_come_back():
    recorded = session(25, 20, gap_ns=INTERVAL // 2)
    samples = [
        event for event in received(segments_to_frames(recorded)) if isinstance(event, Sample)
    ]
    assert [len(sample.values) for sample in samples] == [10, 10, 5, 10, 10]
    starts = [7 * SECOND + reading * INTERVAL for reading in (0, 10, 20, 25.5, 35.5)]
    assert [sample.timestamp_ns for sample in samples] == starts
    expected = np.concatenate([segment.readings for segment in recorded.segments])
    got = np.concatenate([sample.values for sample in samples])
    half_step = np.array(session_scales(recorded)) / 2
    assert (np.abs(got - expected) <= half_step * 1.01).all()


def test_marks_open_segments_and_close_them_before_a_silence():
    touching = [
        event for event in received(segments_to_frames(session(50, 50))) if isinstance(event, Mark)
    ]
    assert touching == [
        Mark("watch", 7 * SECOND, "exercise 0"),
        Mark("watch", 8 * SECOND, "exercise 1"),
        Mark("watch", 9 * SECOND, None),
    ]
    apart = [
        event for event in received(segments_to_frames(session(50, 50), gap_s=2, start_ns=0))
        if isinstance(event, Mark)
    ]  # fmt: skip
    assert [(mark.timestamp_ns // SECOND, mark.label) for mark in apart] == [
        (0, "exercise 0"),
        (1, None),
        (3, "exercise 1"),
        (4, None),
    ]


def test_state_is_repeated_every_second():
    messages = [decode_frame(frame[:-1]) for _, frame in segments_to_frames(session(250))]
    assert sum(isinstance(message, StreamDescription) for message in messages) == 5
    assert [message.label for message in messages if isinstance(message, MarkMessage)] == [
        *["exercise 0"] * 5,
        None,
    ]


def test_frames_are_due_in_order_and_when_their_last_reading_is_over():
    frames = list(segments_to_frames(session(25, 20), gap_s=1))
    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(frames))
    due = [due for due, frame in frames if isinstance(decode_frame(frame[:-1]), Batch)]
    assert due == [INTERVAL * n for n in (10, 20, 25, 85, 95)]


def test_loops_go_on_in_time_and_sequence():
    thrice = received(segments_to_frames(session(20, 10), loops=3, start_ns=0))
    samples = [event for event in thrice if isinstance(event, Sample)]
    assert [sample.timestamp_ns // INTERVAL for sample in samples] == list(range(0, 90, 10))
    endless = segments_to_frames(session(20), loops=None)
    assert len(received(islice(endless, 5000))) > 3000


@given(
    arrays.arrays(
        np.float32, (4, 2), elements=st.floats(-(2.0**90), 2.0**90, width=32, allow_nan=False)
    )
)
def test_the_scale_covers_the_range_in_int16(readings):
    recorded = RecordedSession(CHANNELS, INTERVAL, (Segment(None, 0, readings),))
    scales = np.array(session_scales(recorded))
    (sample,) = [e for e in received(segments_to_frames(recorded)) if isinstance(e, Sample)]
    error = np.abs(sample.values.astype(np.float64) - readings)
    assert (error <= scales * 0.51).all()
    assert (np.abs(readings).max(axis=0) <= scales * 32767).all()


def test_a_silent_channel_stays_zero():
    recorded = RecordedSession(CHANNELS, 1, (Segment(None, 0, np.zeros((1, 2), np.float32)),))
    assert session_scales(recorded) == (1.0, 1.0)


def test_what_does_not_fit_a_frame_is_refused():
    with pytest.raises(ValueError, match="int16"):
        list(segments_to_frames(session(2000), readings_per_batch=2000))
