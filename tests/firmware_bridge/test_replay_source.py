import asyncio
import math
import tracemalloc
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import RecordingError
from firmware_bridge.gatt.heart_rate import HeartRate
from firmware_bridge.profiles import profile
from firmware_bridge.raw_recording import REOPENED, RawFrame, RecordingHeader
from firmware_bridge.raw_recording_file import RecordingWriter
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.replay_books import BookKeeper
from firmware_bridge.replay_faults import FaultRates, Faults, parse_faults
from firmware_bridge.replay_items import LineOutage, replay_items
from firmware_bridge.replay_source import RecordedSource, ReplayOrder
from firmware_bridge.sample import Channel, Mark, Sample
from firmware_bridge.serial_profiles.nonin_df2 import NoninPacket, NoninStatus
from firmware_bridge.serial_profiles.openbci_cyton import CytonFrame
from firmware_bridge.stream_decoder import open_decoder

START = 10**18
SECOND = 10**9
WALK = np.random.default_rng(4).normal(size=(3000, 2)).astype(np.float32)
SESSION = RecordedSession(
    (Channel("ax", "[g]"), Channel("ay", "[g]")), 20_000_000, (Segment("walk", START, WALK),)
)
EVERY_FAULT = FaultRates(
    drop=0.02,
    duplicate=0.02,
    reorder=0.02,
    flip=0.03,
    gap=0.006,
    stall=0.006,
    disconnect=0.006,
    gap_s=1.5,
    disconnect_s=4.0,
)


def nonin(n):
    status = (NoninStatus.ALWAYS,) * 25
    return NoninPacket(status, tuple((n * 25 + i) % 200 for i in range(25)), 60 + n % 40, 97)


RECORDED = {
    "perfuse_frame": list(segments_to_frames(SESSION)),
    "nonin_df2": [(n * SECOND // 3, profile("nonin_df2").encode(nonin(n))) for n in range(300)],
    "openbci_cyton": [
        (n * SECOND // 50, profile("openbci_cyton").encode(CytonFrame(n % 256, (n,) * 8)))
        for n in range(900)
    ],
    "heart_rate": [
        (n * SECOND, profile("heart_rate").encode(HeartRate(60 + n % 40, rr_1024=(900, 950))))
        for n in range(900)
    ],
}


@pytest.fixture
def record(tmp_path):
    def write(name, timed=None, more=()):
        path = tmp_path / f"{name}.jsonl.gz"
        with RecordingWriter(path, RecordingHeader("x", name, "serial", START, "0")) as writer:
            for due_ns, data in RECORDED[name] if timed is None else timed:
                writer.add(RawFrame(START + due_ns, "x", "serial", data))
            for frame in more:
                writer.add(frame)
        return path

    return write


def replay(path, **order):
    source = RecordedSource("", path, ReplayOrder(**{"speed": math.inf} | order))

    async def collect():
        return [event async for event in source.events()]

    return asyncio.run(collect()), source


def readings(events):
    return sum(len(event.values) for event in events if isinstance(event, Sample))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_yields_what_its_sensor_sent(name, record):
    events, source = replay(record(name))
    assert readings(events) == source.books.delivered == source.books.recorded > 0
    assert source.counters.frames == len(RECORDED[name])
    assert source.books.right
    assert not source.books.lost
    assert source.sensor == "x"


def test_own_readings_come_back_with_their_times_and_marks(record):
    events, _ = replay(record("perfuse_frame"))
    assert [event.label for event in events if isinstance(event, Mark)] == ["walk", None]
    values = np.concatenate([event.values for event in events if isinstance(event, Sample)])
    assert np.allclose(values, WALK, atol=1e-3)


def test_vendor_readings_have_the_times_of_the_recording_whatever_the_speed(record):
    path = record("nonin_df2", RECORDED["nonin_df2"][:30])
    fast, _ = replay(path)
    slow, _ = replay(path, speed=200.0)
    times = [sample.timestamp_ns for sample in fast]
    assert times == [sample.timestamp_ns for sample in slow]
    assert START - SECOND < times[0] < times[-1] <= START + 10 * SECOND


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("seed", range(3))
def test_the_books_are_right_to_the_reading_with_every_fault_at_once(name, seed, record):
    events, source = replay(record(name), loops=3, faults=EVERY_FAULT, seed=seed)
    books, faults = source.books, source.fault_counters
    assert books.balance == 0
    assert books.lost["unexplained"] == 0
    assert books.right
    assert books.delivered == readings(events) == source.counters.readings
    # Each fault happened, and what it cost stands under its own name.
    assert min(faults.dropped, faults.duplicated, faults.flipped, faults.reordered) > 5
    assert min(faults.gaps, faults.stalls, faults.disconnects) > 0
    assert min(books.lost[reason] for reason in ("drop", "gap", "disconnect")) > 0
    assert source.counters.reopened == faults.disconnects
    came = faults.offered + faults.duplicated
    lost = faults.dropped + faults.in_gaps + faults.in_outages
    assert faults.passed == came - lost


def test_a_day_is_accounted_for_in_memory_that_does_not_grow(record):
    hour = [(n * 36 * SECOND, data) for n, (_, data) in enumerate(RECORDED["heart_rate"][:100])]
    path = record("heart_rate", hour)
    rates = parse_faults(
        "drop=0.01,duplicate=0.01,reorder=0.01,flip=0.03,gap=0.004,gap_s=300,stall=0.004,"
        "stall_s=120,disconnect=0.004,disconnect_s=600"
    )
    peaks = []
    for hours in (1, 24):
        source = RecordedSource("", path, ReplayOrder(math.inf, hours, rates, seed=5))

        async def drain(source=source):
            async for _ in source.events():
                pass

        tracemalloc.start()
        asyncio.run(drain())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert source.books.right
        assert source.fault_counters.offered == 100 * hours
    assert source.books.recorded == 24 * 300
    assert min(source.books.lost[why] for why in ("drop", "gap", "disconnect", "damaged")) > 0
    assert peaks[1] < peaks[0] + 200_000


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["drop", "duplicate", "reorder", "flip", "gap", "stall", "disconnect"]),
        st.sampled_from([0.02, 0.2, 0.9, 1.0]),
    ),
    st.integers(0, 2**32),
)
@pytest.mark.parametrize("name", ["perfuse_frame", "nonin_df2"])
def test_the_books_are_right_whatever_is_ordered(name, rates, seed):
    frames = [RawFrame(START + due, "x", "serial", data) for due, data in RECORDED[name][:40]]
    keeper = BookKeeper(open_decoder("x", name))
    faults = Faults(
        np.random.default_rng(seed),
        FaultRates(**rates, gap_s=0.5, disconnect_s=0.5),
        lost=keeper.lost,
        copied=keeper.copied,
    )
    items = replay_items(lambda: frames, name, 2, open_decoder("x", name))
    for item in faults.apply(map(keeper.sent, items)):
        if isinstance(item, LineOutage):
            keeper.line_reopened()
        else:
            keeper.receive(item, START + item.due_ns)
    keeper.close()
    assert keeper.books.right
    assert keeper.books.recorded > 0


@pytest.mark.parametrize(
    ("fault", "reason", "name"),
    [
        ("drop", "drop", "perfuse_frame"),
        ("gap", "gap", "perfuse_frame"),
        ("disconnect", "disconnect", "perfuse_frame"),
        ("flip", "damaged", "perfuse_frame"),
        ("flip", "damaged", "nonin_df2"),
        ("duplicate", "repeated", "perfuse_frame"),
        ("reorder", "repeated", "perfuse_frame"),
    ],
)
def test_one_fault_costs_readings_for_one_reason(fault, reason, name, record):
    rates = FaultRates(**{fault: 0.01, "gap_s": 2.0, "disconnect_s": 2.0})
    _, source = replay(record(name), loops=2, faults=rates)
    # A description that is damaged or lost leaves the batches behind it undescribed.
    assert set(source.books.lost) - {"undescribed"} == {reason}
    assert source.books.right


def test_nothing_is_lost_by_stalls(record):
    events, source = replay(record("perfuse_frame"), faults=FaultRates(stall=0.05))
    assert source.fault_counters.stalls > 5
    assert readings(events) == 3000


def test_the_books_show_it_when_a_decoder_loses_readings_in_silence(record, monkeypatch):
    source = RecordedSource("", record("heart_rate"), ReplayOrder(math.inf))
    decoder = source._decoder
    whole = decoder.receive

    def careless(data, received_ns):
        samples = whole(data, received_ns)
        if source.counters.frames == 100:
            decoder.counters.readings -= len(samples)
            return []
        return samples

    monkeypatch.setattr(decoder, "receive", careless)

    async def drain():
        async for _ in source.events():
            pass

    asyncio.run(drain())
    assert source.books.lost["unexplained"] > 0
    assert not source.books.right


@pytest.mark.parametrize("name", ["perfuse_frame", "heart_rate"])
def test_a_loop_goes_on_in_time_and_count(name, record):
    events, source = replay(record(name), loops=4)
    counters = source.counters
    assert (counters.duplicates, counters.missing, counters.clock_steps) == (0, 0, 0)
    assert source.books.right
    assert not source.books.lost
    times = [event.timestamp_ns for event in events if isinstance(event, Sample)]
    assert source.books.recorded == 4 * {"perfuse_frame": 3000, "heart_rate": 2700}[name]
    if name == "perfuse_frame":
        assert all(later > earlier for earlier, later in pairwise(times))


def test_an_outage_that_was_recorded_happens_again(record):
    own = RECORDED["perfuse_frame"]
    half = own[40][1][:10]
    outage = RawFrame(START + own[40][0], "x", REOPENED, b"")
    rest = [RawFrame(START + due_ns, "x", "serial", data) for due_ns, data in own[41:]]
    path = record("perfuse_frame", [*own[:40], (own[40][0], half)], [outage, *rest])
    events, source = replay(path)
    assert source.counters.reopened == 1
    assert source.counters.missing == 1
    assert readings(events) == 2990
    assert source.books.right


def test_real_time_is_kept_and_close_ends_the_wait(record):
    async def scenario():
        loop = asyncio.get_running_loop()
        began = loop.time()
        source = RecordedSource("", record("heart_rate"), ReplayOrder(speed=9000.0))
        async for _ in source.events():
            pass
        assert loop.time() - began >= 899 / 9000
        slow = RecordedSource("", source._path, ReplayOrder(speed=1e-6, loops=None))
        reading = asyncio.create_task(anext(aiter(slow.events())))
        await reading
        count = Counter()

        async def drain():
            async for _ in slow.events():
                count["events"] += 1

        draining = asyncio.create_task(drain())
        await asyncio.sleep(0.01)
        slow.close()
        await draining
        assert 0 < count["events"] <= 3

    asyncio.run(scenario())


def test_an_unknown_profile_is_said(record, tmp_path):
    path = tmp_path / "a.jsonl"
    with RecordingWriter(path, RecordingHeader("x", "hart_rate", "ble", START, "0")):
        pass
    with pytest.raises(RecordingError, match="line 1: no sensor profile 'hart_rate'; did you mean"):
        RecordedSource("", path)
