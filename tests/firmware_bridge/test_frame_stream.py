from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.frame import Batch, MarkMessage, StreamDescription, encode_frame
from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.sample import Channel, Mark, Sample
from firmware_bridge.source import SourceCounters

CHANNELS = (Channel("ax", "[g]"), Channel("ay", "[g]"))
IMU = StreamDescription(0, "imu", 20_000_000, CHANNELS, (0.5, 0.25))
DESCRIBED = encode_frame(IMU)


def batch(sequence, timestamp_ns=None, raw=((2, 4),), stream_id=0):
    time = sequence * 1000 if timestamp_ns is None else timestamp_ns
    return encode_frame(Batch(stream_id, sequence, time, np.array(raw, "<i2").tobytes()))


def plain(event):
    if isinstance(event, Mark):
        return event
    assert event.values.dtype == np.float32
    return (event.sensor, event.stream, event.channels, event.timestamp_ns, event.interval_ns,
            event.values.tolist())  # fmt: skip


def test_readings_come_in_physical_units():
    stream = FrameStream("watch")
    (sample,) = stream.receive(DESCRIBED + batch(7, 5000, [(2, 4), (-3, 1)]))
    assert isinstance(sample, Sample)
    assert plain(sample) == ("watch", "imu", CHANNELS, 5000, 20_000_000, [[1, 1], [-1.5, 0.25]])
    assert stream.counters == SourceCounters(frames=2, readings=2)


def test_a_mark_comes_once_however_often_it_is_repeated():
    stream = FrameStream("watch")
    mark = encode_frame(MarkMessage(0, 9, "walk"))
    assert stream.receive(mark * 3) == [Mark("watch", 9, "walk")]
    assert stream.receive(encode_frame(MarkMessage(2, 11, None))) == [Mark("watch", 11, None)]
    assert stream.receive(mark) == []
    assert stream.counters == SourceCounters(frames=4, missing=1, duplicates=1)


def test_a_stream_that_is_not_described_is_counted():
    stream = FrameStream("watch")
    assert stream.receive(batch(0) + DESCRIBED + batch(5, stream_id=1)) == []
    assert len(stream.receive(batch(1))) == 1
    assert stream.counters == SourceCounters(frames=2, readings=1, undescribed=2)


def test_gaps_duplicates_and_clock_steps_are_counted():
    stream = FrameStream("watch")
    frames = [batch(0), batch(1), batch(1), batch(4), batch(3), batch(5, 4500), batch(6, 4400)]
    events = stream.receive(DESCRIBED + b"".join(frames))
    assert [event.timestamp_ns for event in events] == [0, 1000, 4000, 4500, 4400]
    assert stream.counters == SourceCounters(
        frames=6, readings=5, missing=2, duplicates=2, clock_steps=1
    )


def test_the_sequence_wraps():
    stream = FrameStream("watch")
    stream.receive(DESCRIBED + batch(2**32 - 1, 1) + batch(1, 2))
    assert stream.counters == SourceCounters(frames=3, readings=2, missing=1)


def test_a_new_description_holds_from_then_on():
    stream = FrameStream("watch")
    one = StreamDescription(0, "temp", 0, (Channel("t", "Cel"),), (0.5,))
    stream.receive(DESCRIBED + batch(0))
    (sample,) = stream.receive(encode_frame(one) + batch(2, raw=(73,)))
    assert sample.values.tolist() == [[36.5]]
    assert stream.counters.missing == 1


@pytest.mark.parametrize("raw", [(1,), (1, 2, 3)])
def test_readings_that_do_not_fit_the_channels_are_malformed_and_missing(raw):
    stream = FrameStream("watch")
    stream.receive(DESCRIBED + batch(0) + batch(1, raw=raw) + batch(2))
    assert stream.counters == SourceCounters(frames=3, readings=2, malformed=1, missing=1)


def test_two_readings_without_an_interval_are_malformed():
    stream = FrameStream("watch")
    one = StreamDescription(0, "temp", 0, (Channel("t", "Cel"),), (0.5,))
    assert stream.receive(encode_frame(one) + batch(2, raw=(73, 74))) == []
    assert stream.counters.malformed == 1


def test_garbage_costs_what_it_covers_and_nothing_after():
    stream = FrameStream("watch")
    garbage = bytes(range(1, 256)) * 40
    assert len(stream.receive(DESCRIBED + batch(0) + garbage)) == 1
    assert len(stream.receive(b"\0" + batch(1))) == 1
    assert stream.counters == SourceCounters(frames=3, readings=2, malformed=1)


def test_half_a_frame_from_before_the_line_was_lost_spoils_nothing():
    stream = FrameStream("watch")
    stream.receive(DESCRIBED + batch(40) + batch(41)[:9])
    stream.line_reopened()
    assert len(stream.receive(batch(0))) == 1
    assert stream.counters == SourceCounters(frames=3, readings=2, clock_steps=1)


PIECES = st.lists(
    st.sampled_from(
        [
            DESCRIBED,
            *(batch(n) for n in range(4)),
            encode_frame(MarkMessage(0, 5, "walk")),
            encode_frame(MarkMessage(1, 9, None)),
            b"\0",
            b"x" * 5000,
        ]
    )
    | st.binary(max_size=8),
    max_size=12,
)


@settings(deadline=None)
@given(PIECES)
def test_one_byte_at_a_time_is_the_same(pieces):
    data = b"".join(pieces)
    whole, bytewise = FrameStream("watch"), FrameStream("watch")
    events = [plain(event) for event in whole.receive(data)]
    singly = [plain(event) for byte in data for event in bytewise.receive(bytes([byte]))]
    assert singly == events
    assert asdict(bytewise.counters) == asdict(whole.counters)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_at_all_are_only_counted(chunks):
    stream = FrameStream("watch")
    for chunk in chunks:
        assert stream.receive(chunk) == []
    assert stream.counters.frames == 0
