"""Virtual time: order, ties, cancelling, clocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfuse.virtual.event_queue import EventQueue, PartyClock


@given(st.lists(st.floats(0, 100), max_size=30))
def test_calls_are_made_in_the_order_of_their_times(times):
    queue = EventQueue()
    made = []
    for at_s in times:
        queue.at(at_s, lambda at_s=at_s: made.append((at_s, queue.now_s)))
    while queue.step():
        pass
    assert [at_s for at_s, _ in made] == sorted(times)
    assert all(at_s == now_s for at_s, now_s in made)


def test_what_is_due_at_once_goes_in_the_order_of_asking():
    queue = EventQueue()
    made = []
    for i in range(5):
        queue.at(1.0, lambda i=i: made.append(i))
    queue.run_until(1.0)
    assert made == [0, 1, 2, 3, 4]


def test_ties_by_a_generator_differ_by_seed_and_replay():
    def order(seed):
        queue = EventQueue(np.random.default_rng(seed))
        made = []
        for i in range(20):
            queue.at(1.0, lambda i=i: made.append(i))
        queue.run_until(1.0)
        return made

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == list(range(20))


def test_what_is_cancelled_does_not_happen_and_moves_no_clock():
    queue = EventQueue()
    made = []
    queue.at(5.0, lambda: made.append("late")).cancel()
    queue.at(1.0, lambda: made.append("soon"))
    assert queue.step()
    assert not queue.step()
    assert (made, queue.now_s) == (["soon"], 1.0)


def test_the_past_is_now_and_run_until_ends_at_its_time():
    queue = EventQueue()
    made = []
    queue.run_until(10.0)
    queue.at(3.0, lambda: made.append(queue.now_s))
    queue.after(5.0, lambda: made.append(queue.now_s))
    queue.run_until(12.0)
    assert (made, queue.now_s) == ([10.0], 12.0)


def test_a_partys_clock_jumps_alone():
    queue = EventQueue()
    one, other = PartyClock(queue, 1000.0), PartyClock(queue, 1000.0)
    queue.run_until(1.0)
    one.offset_s += 86_400
    assert (one.now(), other.now()) == (87_401.0, 1001.0)
