"""A sensor made of the C library: batches, sequence numbers, repeated state, lost frames, time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.frame import (
    Batch,
    MarkMessage,
    StreamDescription,
    decode_frame,
    encode_frame,
)
from firmware_bridge.frame_lines import FrameLines
from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.sample import Channel, Mark
from tests.firmware_bridge.firmware.compiled import (
    Status,
    clock_command,
    label_command,
    poll_command,
    reading_command,
    room_command,
    start_command,
)

INTERVAL = 20_000_000
SECOND = 10**9
FLUSH = b"f"


def stream(stream_id=0, channels=1, interval_ns=INTERVAL):
    named = tuple(Channel(f"c{i}", "[g]") for i in range(channels))
    return StreamDescription(stream_id, f"s{stream_id}", interval_ns, named, (0.5,) * channels)


def messages_of(line):
    return [decode_frame(frame) for frame in FrameLines(4096).receive(line)]


def batches_of(line):
    return [message for message in messages_of(line) if isinstance(message, Batch)]


@st.composite
def sessions(draw):
    """Streams, and what happens to them: readings on and off their grid, marks, flushes."""
    streams = [
        stream(i, draw(st.integers(1, 16)), draw(st.sampled_from([0, 1, INTERVAL, SECOND])))
        for i in range(draw(st.integers(1, 3)))
    ]
    sizes = [draw(st.integers(2 * len(s.channels), 400)) for s in streams]
    now, steps = draw(st.integers(0, 2**61)), []
    for _ in range(draw(st.integers(1, 40))):
        now += draw(st.sampled_from([0, 1, INTERVAL - 3, INTERVAL, INTERVAL, 3 * SECOND]))
        kind = draw(st.sampled_from("rrrrrrlfp"))
        if kind == "r":
            index = draw(st.integers(0, len(streams) - 1))
            width = len(streams[index].channels)
            row = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=width, max_size=width)
            steps.append(("r", now, index, draw(row)))
        else:
            steps.append((kind, now, draw(st.sampled_from([None, "walk", "é" * 32])), None))
    return streams, sizes, steps


def play(driver, streams, sizes, steps):
    """What a session puts on the line, with everything flushed."""
    commands = [start_command(list(zip(streams, sizes, strict=True)))]
    for kind, now, what, row in steps:
        if kind == "r":
            commands.append(reading_command(what, now, row))
        elif kind == "l":
            commands.append(label_command(now, what))
        else:
            commands.append(poll_command(now) if kind == "p" else FLUSH)
    line = b""
    for command in [*commands, FLUSH]:
        status, written = driver.ask(command)
        assert status is Status.OK
        line += written
    return line


@settings(max_examples=30)
@given(session=sessions())
def test_the_gateway_gets_every_reading_and_mark_of_any_session(driver, session):
    streams, sizes, steps = session
    line = play(driver, streams, sizes, steps)
    decoder = FrameStream("imu")
    events = decoder.receive(line)
    for index, described in enumerate(streams):
        sent = [(now, row) for kind, now, what, row in steps if (kind, what) == ("r", index)]
        read = [event for event in events if getattr(event, "stream", "") == described.name]
        rows = np.concatenate([r.values for r in read]) if read else np.empty((0, 0))
        assert (rows * 2).astype(int).tolist() == [row for _, row in sent]
        times = [r.timestamp_ns + i * r.interval_ns for r in read for i in range(len(r.values))]
        off = [abs(got - now) for got, (now, _) in zip(times, sent, strict=True)]
        assert all(distance <= described.interval_ns // 2 for distance in off)
    marks = [event for event in events if isinstance(event, Mark)]
    assert marks == [Mark("imu", now, what) for kind, now, what, _ in steps if kind == "l"]
    counters = decoder.counters
    assert counters.malformed == counters.missing == counters.duplicates == 0
    assert counters.undescribed == 0


@settings(max_examples=15)
@given(session=sessions())
def test_every_frame_is_the_one_that_python_would_have_written(driver, session):
    line = play(driver, *session)
    frames = [frame + b"\0" for frame in FrameLines(4096).receive(line)]
    assert frames == [encode_frame(decode_frame(frame[:-1])) for frame in frames]
    # After a start there is one zero byte more, which ends whatever was there before.
    assert line == b"\0" + b"".join(frames)


def test_batches_fill_the_buffer_and_are_counted(driver):
    driver.ask(start_command([(stream(channels=2), 15)]))  # three readings of four bytes
    line = b""
    for i in range(7):
        line += driver.ask(reading_command(0, i * INTERVAL, [i, -i]))[1]
    line += driver.ask(FLUSH)[1]
    batches = batches_of(line)
    assert [batch.sequence for batch in batches] == [0, 1, 2]
    assert [batch.timestamp_ns for batch in batches] == [0, 3 * INTERVAL, 6 * INTERVAL]
    assert [len(batch.readings) // 4 for batch in batches] == [3, 3, 1]


@pytest.mark.parametrize(
    ("off_ns", "batches"), [(INTERVAL // 2, 1), (INTERVAL // 2 + 1, 2), (-INTERVAL // 2 - 1, 2)]
)
def test_a_reading_off_the_grid_begins_a_batch(driver, off_ns, batches):
    driver.ask(start_command([(stream(), 100)]))
    line = driver.ask(reading_command(0, SECOND, [1]))[1]
    line += driver.ask(reading_command(0, SECOND + INTERVAL + off_ns, [2]))[1]
    line += driver.ask(FLUSH)[1]
    assert len(batches_of(line)) == batches


def test_state_is_repeated_byte_for_byte_each_second(driver):
    described = stream()
    driver.ask(start_command([(described, 2)]))
    driver.ask(label_command(5, "walk"))
    mark = encode_frame(MarkMessage(0, 5, "walk"))
    state = encode_frame(described) + mark
    assert driver.ask(poll_command(0)) == (Status.OK, state)
    assert driver.ask(poll_command(SECOND - 1)) == (Status.OK, b"")
    assert driver.ask(poll_command(SECOND)) == (Status.OK, state)
    # A clock that was set back must not silence it.
    assert driver.ask(poll_command(SECOND - 1)) == (Status.OK, state)
    ended = encode_frame(MarkMessage(1, 2 * SECOND, None))
    assert driver.ask(label_command(2 * SECOND, None)) == (Status.OK, ended)
    assert driver.ask(poll_command(3 * SECOND)) == (Status.OK, encode_frame(described) + ended)


def test_what_the_line_does_not_take_is_missing_and_costs_nothing_after(driver):
    driver.ask(start_command([(stream(), 2)]))
    decoder = FrameStream("imu")
    decoder.receive(driver.ask(reading_command(0, 0, [1]))[1])
    driver.ask(room_command(0))
    assert driver.ask(reading_command(0, INTERVAL, [2]))[0] is Status.LOST
    # A frame longer than a COBS block of which the line takes the first part.
    driver.ask(room_command(3))
    assert driver.ask(reading_command(0, 2 * INTERVAL, [3]))[0] is Status.LOST
    driver.ask(room_command(-1))
    status, written = driver.ask(reading_command(0, 3 * INTERVAL, [4]))
    assert status is Status.OK
    assert written[0] == 0
    (sample,) = decoder.receive(written)
    assert sample.values.tolist() == [[2.0]]
    assert (decoder.counters.missing, decoder.counters.malformed) == (2, 0)


def test_a_frame_cut_in_the_middle_is_refused_and_the_next_one_read(driver):
    wide = stream(channels=16)
    driver.ask(start_command([(wide, 32 * 20)]))
    decoder = FrameStream("imu")
    line = b""
    for i in range(20):
        driver.ask(room_command(400 if i == 19 else -1))
        status, written = driver.ask(reading_command(0, i * INTERVAL, [77] * 16))
        line += written
    assert status is Status.LOST
    driver.ask(room_command(-1))
    driver.ask(reading_command(0, 20 * INTERVAL, [5] * 16))
    events = decoder.receive(line + driver.ask(FLUSH)[1])
    assert [event.values.tolist() for event in events] == [[[2.5] * 16]]
    assert decoder.counters.malformed == 1


def test_what_no_sensor_can_be_is_refused(driver):
    assert driver.ask(start_command([(stream(), 1)]))[0] is Status.SIZE
    assert driver.ask(start_command([(stream(3), 8), (stream(3), 8)]))[0] is Status.RANGE
    assert driver.ask(start_command([]))[0] is Status.SIZE
    driver.ask(start_command([(stream(), 8)]))
    assert driver.ask(reading_command(1, 0, [1])) == (Status.SIZE, b"")
    assert driver.ask(reading_command(0, 2**62 + 1, [1])) == (Status.RANGE, b"")
    assert driver.ask(label_command(2**62 + 1, None)) == (Status.RANGE, b"")
    assert driver.ask(label_command(0, "x" * 65)) == (Status.TEXT, b"")


def tell(driver, counter):
    return int.from_bytes(driver.ask(clock_command(b"n", counter % 2**32))[1], "little")


@given(steps=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=30), start=st.integers(0))
def test_the_clock_goes_on_where_the_counter_wraps(driver, steps, start):
    driver.ask(clock_command(b"i", start % 2**32, 1000))
    total = 0
    for step in steps:
        total += step
        assert tell(driver, start + total) == 1000 * total


def test_an_interrupt_that_read_the_counter_earlier_has_the_earlier_time(driver):
    driver.ask(clock_command(b"i", 2**32 - 10, 1000))
    assert tell(driver, 2**32 + 90) == 100_000
    assert tell(driver, 2**32 - 5) == 5_000
    assert tell(driver, 2**32 + 91) == 101_000


def test_a_clock_that_is_set_gives_unix_time(driver):
    driver.ask(clock_command(b"i", 7, 1000))
    driver.ask(clock_command(b"s", 107, 1_700_000_000 * SECOND))
    assert tell(driver, 108) == 1_700_000_000 * SECOND + 1000
    driver.ask(clock_command(b"s", 108, 5 * SECOND))
    assert tell(driver, 110) == 5 * SECOND + 2000
