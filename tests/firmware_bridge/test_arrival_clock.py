import numpy as np

from firmware_bridge.arrival_clock import ArrivalClock
from firmware_bridge.sample import Channel, Sample

INTERVAL = 4_000_000


def sample(at_ns, stream="exg", interval_ns=INTERVAL, count=1):
    values = np.zeros((count, 1), np.float32)
    return Sample("cap", stream, (Channel("ch1", "uV"),), at_ns, interval_ns, values)


def test_frames_that_were_read_together_are_an_interval_apart():
    clock = ArrivalClock()
    times = []
    # A USB adapter that hands over four frames every 16 ms.
    for read in range(500):
        clump = [sample(read * 4 * INTERVAL)] * 4
        times += [placed.timestamp_ns for placed in clock.spread(clump)]
    steps = np.diff(times)
    assert (np.abs(steps - INTERVAL) < INTERVAL / 4).all()
    assert abs(times[-1] - times[0] - 1999 * INTERVAL) < 4 * INTERVAL


def test_a_quartz_that_is_wrong_is_followed():
    clock = ArrivalClock()
    true = INTERVAL * 1.0002
    jitter = np.random.default_rng(1).uniform(0, 8e6, 20_000)
    placed = [
        clock.spread([sample(round(n * true + jitter[n]))])[0].timestamp_ns for n in range(20_000)
    ]
    error_ns = np.array(placed) - np.arange(20_000) * true
    assert np.abs(error_ns[1000:] - 4e6).max() < 3e6
    assert (np.diff(placed) > 0).all()


def test_a_pause_begins_anew_where_the_readings_arrive():
    clock = ArrivalClock()
    clock.spread([sample(0)])
    assert clock.spread([sample(10**9)])[0].timestamp_ns == 10**9
    clock.reset()
    assert clock.spread([sample(5)])[0].timestamp_ns == 5


def test_streams_do_not_disturb_each_other_and_single_readings_stay():
    clock = ArrivalClock()
    first = clock.spread([sample(0), sample(0, "pleth", count=25), sample(7, "spo2", 0)])
    again = clock.spread([sample(0), sample(0, "pleth", count=25), sample(7, "spo2", 0)])
    assert [one.timestamp_ns for one in first] == [0, 0, 7]
    assert again[0].timestamp_ns == INTERVAL - INTERVAL // 32
    assert again[1].timestamp_ns == 25 * (INTERVAL - INTERVAL // 32)
    assert again[2].timestamp_ns == 7
