import asyncio
import json
import logging
import math
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.backoff import Backoff
from firmware_bridge.errors import SourceError
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames, session_scales
from firmware_bridge.replay_faults import FaultRates, Faults
from firmware_bridge.replay_items import ReplayFrame
from firmware_bridge.replay_pty import PtyReplay
from firmware_bridge.sample import Channel, Mark, Sample
from firmware_bridge.serial_line import LineSettings
from firmware_bridge.serial_source import SerialSource

CHANNELS = (Channel("ax", "[g]"), Channel("ay", "[g]"))
INTERVAL = 20_000_000
EPOCH = 10**18
READINGS = np.random.default_rng(6).normal(size=(4000, 2)).astype(np.float32)
SESSION = RecordedSession(CHANNELS, INTERVAL, (Segment("walk", EPOCH, READINGS),))
WATCH = Path(__file__).parents[2] / "../shared/data/shoulder_watch_50hz.npz"


def serial_source(port, **options):
    backoff = Backoff(np.random.default_rng(1), floor_s=0.005, cap_s=0.02)
    return SerialSource("watch", port, backoff=backoff, **options)


@asynccontextmanager
async def running(replay):
    """The replay in the background; leaving pulls its plug."""
    task = asyncio.create_task(replay.run(), name="replay")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        replay.close()


async def collect(source, until):
    """Events up to the first for which ``until(event)`` holds."""
    events = []
    iterator = source.events()
    async with asyncio.timeout(30):
        async for event in iterator:
            events.append(event)
            if until(event):
                break
    await iterator.aclose()
    return events


def is_end(event):
    return isinstance(event, Mark) and event.label is None


def readings_of(events):
    return np.concatenate([event.values for event in events if isinstance(event, Sample)])


def assert_true_readings(events, recorded, readings):
    half_step = np.array(session_scales(recorded)) * 0.51
    for event in events:
        if isinstance(event, Sample):
            first = (event.timestamp_ns - EPOCH) // recorded.interval_ns
            expected = readings[first : first + len(event.values)]
            assert (np.abs(event.values - expected) <= half_step).all()


def test_a_recording_arrives_whole_as_fast_as_it_goes():
    async def scenario():
        replay = PtyReplay(segments_to_frames(SESSION), speed=math.inf)
        source = serial_source(replay.port)
        async with running(replay):
            return await collect(source, is_end), source.counters

    events, counters = asyncio.run(scenario())
    assert len(readings_of(events)) == len(READINGS)
    assert_true_readings(events, SESSION, READINGS)
    assert events[0] == Mark("watch", EPOCH, "walk")
    assert counters.readings == len(READINGS)
    assert (counters.malformed, counters.missing, counters.duplicates, counters.reopened) == (
        0,
    ) * 4


def smartwatch_session(subject):
    with np.load(WATCH) as data:
        meta = json.loads(str(data["meta"]))
        mine = data["subject"] == subject
        windows = data["x"][mine].astype(np.float32)
        trials, labels = data["trial"][mine], data["y"][mine]
    units = ["[g]"] * 3 + ["rad/s"] * 3
    channels = tuple(Channel(*pair) for pair in zip(meta["channels"], units, strict=True))
    interval_ns = round(1e9 / meta["rate_hz"])
    segments, clock = [], EPOCH
    for trial in np.unique(trials):
        # Windows of a trial overlap by half.
        rows = windows[trials == trial]
        readings = np.concatenate([rows[:, :100].reshape(-1, 6), rows[-1, 100:]])
        label = meta["classes"][labels[trials == trial][0]]
        segments.append(Segment(label, clock, readings))
        clock += len(readings) * interval_ns
    return RecordedSession(channels, interval_ns, tuple(segments))


@pytest.mark.skipif(not WATCH.exists(), reason="the smartwatch recordings are not here")
def test_a_real_smartwatch_session_arrives_whole():
    recorded = smartwatch_session(subject=7)

    async def scenario():
        replay = PtyReplay(segments_to_frames(recorded), speed=math.inf)
        source = serial_source(replay.port)
        async with running(replay):
            return await collect(source, is_end)

    events = asyncio.run(scenario())
    readings = np.concatenate([segment.readings for segment in recorded.segments])
    assert readings_of(events).shape == readings.shape
    assert_true_readings(events, recorded, readings)
    labels = [event.label for event in events if isinstance(event, Mark)]
    assert labels == [segment.label for segment in recorded.segments] + [None]


def test_a_bad_line_is_counted_and_no_wrong_reading_passes():
    rates = FaultRates(flip=0.1, drop=0.02, duplicate=0.05)
    faults = Faults(np.random.default_rng(2), rates)

    async def scenario():
        frames = [ReplayFrame(due_ns, data) for due_ns, data in segments_to_frames(SESSION)]
        arriving = [(item.due_ns, item.data) for item in faults.apply(frames)]
        # The end must arrive; everything before it may be damaged.
        arriving += [(0, b"\0"), (0, frames[-1].data)]
        replay = PtyReplay(arriving, speed=math.inf)
        source = serial_source(replay.port)
        async with running(replay):
            return await collect(source, is_end), source.counters

    events, counters = asyncio.run(scenario())
    assert_true_readings(events, SESSION, READINGS)
    flipped = faults.counters.flipped
    assert flipped > 30
    assert flipped / 2 <= counters.malformed <= flipped * 2
    assert counters.missing > 0
    assert counters.duplicates > 0
    assert len(READINGS) / 2 < counters.readings < len(READINGS)


def test_unplugged_and_plugged_in_again_under_the_same_path(tmp_path, caplog):
    link = tmp_path / "ttyWATCH"
    half = RecordedSession(CHANNELS, INTERVAL, (Segment("walk", EPOCH, READINGS[:500]),))

    async def scenario():
        source = serial_source(link)
        iterator = source.events()
        async with asyncio.timeout(30):
            async with running(PtyReplay(segments_to_frames(half), speed=math.inf, link=link)):
                first = [event async for event in until_end(iterator)]
            async with running(PtyReplay(segments_to_frames(half), speed=math.inf, link=link)):
                second = [event async for event in until_end(iterator)]
        await iterator.aclose()
        return first, second, source.counters

    with caplog.at_level(logging.WARNING):
        first, second, counters = asyncio.run(scenario())
    assert len(readings_of(first)) == len(readings_of(second)) == 500
    assert counters.reopened == 1
    assert counters.malformed == 0
    assert any("lost" in record.message for record in caplog.records)


async def until_end(iterator):
    async for event in iterator:
        yield event
        if is_end(event):
            return


def test_a_sensor_that_is_not_plugged_in_is_waited_for_and_logged_once(tmp_path, caplog):
    link = tmp_path / "ttyWATCH"

    class CountingBackoff(Backoff):
        attempts = 0
        tried_often = threading.Event()

        def next_s(self):
            self.attempts += 1
            if self.attempts == 5:
                self.tried_often.set()
            return super().next_s()

    async def scenario():
        backoff = CountingBackoff(np.random.default_rng(1), floor_s=0.001, cap_s=0.002)
        source = SerialSource("watch", link, backoff=backoff)
        collecting = asyncio.create_task(collect(source, is_end))
        await asyncio.to_thread(backoff.tried_often.wait, 30)
        async with running(PtyReplay(segments_to_frames(SESSION), speed=math.inf, link=link)):
            return await collecting, source.counters

    with caplog.at_level(logging.WARNING):
        events, counters = asyncio.run(scenario())
    assert len(readings_of(events)) == len(READINGS)
    assert counters.reopened == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No such file" in caplog.text


def test_what_is_no_character_device_can_never_be_a_port(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("not a port")
    with pytest.raises(SourceError, match="not a character device") as caught:
        asyncio.run(collect(serial_source(file), is_end))
    assert caught.value.sensor == "watch"


def test_impossible_settings_are_said():
    async def scenario():
        with PtyReplay([]) as replay:
            await collect(serial_source(replay.port, line=LineSettings(-1)), is_end)

    with pytest.raises(SourceError, match="baud"):
        asyncio.run(scenario())


def test_close_ends_the_events():
    async def scenario():
        with PtyReplay([]) as replay:
            source = serial_source(replay.port)
            collecting = asyncio.create_task(collect(source, is_end))
            await asyncio.sleep(0)
            source.close()
            assert await collecting == []
            assert await collect(source, is_end) == []

    asyncio.run(scenario())


def test_a_cancelled_reader_leaves_nothing_behind():
    async def scenario():
        replay = PtyReplay(segments_to_frames(SESSION, loops=None), speed=math.inf)
        source = serial_source(replay.port)
        async with running(replay):
            collecting = asyncio.create_task(collect(source, lambda _: False))
            while not source.counters.readings:
                await asyncio.sleep(0)
            collecting.cancel()
            await asyncio.wait([collecting])
            # The port was given up: it can be opened again at once.
            again = await collect(source, lambda event: isinstance(event, Sample))
            assert len(again) > 0

    asyncio.run(scenario())


def test_two_readers_of_one_source_are_our_mistake():
    async def scenario():
        with PtyReplay([]) as replay:
            source = serial_source(replay.port)
            first = asyncio.create_task(collect(source, is_end))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already"):
                await collect(source, is_end)
            source.close()
            await first

    asyncio.run(scenario())
