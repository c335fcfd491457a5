import asyncio
import math
from dataclasses import asdict

import numpy as np

from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames, session_scales
from firmware_bridge.replay import ReplaySource
from firmware_bridge.replay_faults import FaultRates, Faults
from firmware_bridge.replay_items import ReplayFrame
from firmware_bridge.sample import Channel, Mark, Sample

CHANNELS = (Channel("ax", "[g]"), Channel("ay", "[g]"))
READINGS = np.random.default_rng(4).normal(size=(1000, 2)).astype(np.float32)
SESSION = RecordedSession(CHANNELS, 20_000_000, (Segment("walk", 10**18, READINGS),))


async def collect(source):
    return [event async for event in source.events()]


def test_a_session_comes_back():
    source = ReplaySource("watch", SESSION, math.inf)
    events = asyncio.run(collect(source))
    assert [event.label for event in events if isinstance(event, Mark)] == ["walk", None]
    got = np.concatenate([event.values for event in events if isinstance(event, Sample)])
    assert (np.abs(got - READINGS) <= np.array(session_scales(SESSION)) * 0.51).all()
    assert source.counters.readings == 1000


def test_faults_are_counted_and_no_wrong_reading_passes():
    faults = Faults(np.random.default_rng(1), FaultRates(flip=0.2, drop=0.1, duplicate=0.1))
    items = [ReplayFrame(due_ns, data) for due_ns, data in segments_to_frames(SESSION)]
    frames = [(item.due_ns, item.data) for item in faults.apply(items)]
    source = ReplaySource("watch", SESSION, math.inf, frames=frames)
    events = asyncio.run(collect(source))
    half_step = np.array(session_scales(SESSION)) * 0.51
    for event in events:
        if isinstance(event, Sample):
            first = (event.timestamp_ns - 10**18) // 20_000_000
            assert (np.abs(event.values - READINGS[first : first + 10]) <= half_step).all()
    assert faults.counters.flipped > 10
    assert source.counters.malformed > 0
    assert source.counters.missing > 0
    assert source.counters.duplicates > 0
    assert 0 < source.counters.readings < 1000


def test_real_time_is_kept():
    async def scenario():
        loop = asyncio.get_running_loop()
        began = loop.time()
        await collect(ReplaySource("watch", SESSION, 100.0))
        return loop.time() - began

    assert asyncio.run(scenario()) >= 20 / 100


def test_close_ends_the_wait_for_the_next_frame():
    async def scenario():
        source = ReplaySource("watch", SESSION, 1e-6)
        collecting = asyncio.create_task(collect(source))
        await asyncio.sleep(0)
        source.close()
        return await collecting, source.counters

    events, counters = asyncio.run(scenario())
    assert len(events) <= 1
    assert asdict(counters)["readings"] == 0
