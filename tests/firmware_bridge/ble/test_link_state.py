import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.backoff import Backoff
from firmware_bridge.ble.link_limits import LinkLimits
from firmware_bridge.ble.link_state import Action, Event, LinkMachine, State

LIMITS = LinkLimits()


def machine(interval_s: float | None = 1.0) -> LinkMachine:
    backoff = Backoff(np.random.default_rng(1), floor_s=0.5, cap_s=LIMITS.backoff_cap_s)
    return LinkMachine(LIMITS, interval_s, backoff)


def after(made: LinkMachine, *events: Event, now_s: float = 0.0) -> LinkMachine:
    for event in events:
        made.handle(event, now_s)
    return made


TO_STREAM = (Event.START, Event.FOUND, Event.TURN, Event.SUBSCRIBED)


def test_the_way_to_a_stream():
    made = machine()
    assert made.handle(Event.START, 0) is Action.SEARCH
    assert made.deadline_s is None
    assert made.handle(Event.FOUND, 1) is Action.CONNECT
    assert made.state is State.QUEUED
    assert made.deadline_s is None
    assert made.handle(Event.TURN, 2) is None
    assert made.deadline_s == 2 + LIMITS.connect_s
    assert made.handle(Event.SUBSCRIBED, 3) is None
    assert made.state is State.STREAMING
    assert made.deadline_s == 3 + LIMITS.silence_floor_s


def test_every_value_puts_the_watchdog_off():
    made = after(machine(interval_s=4.0), *TO_STREAM)
    assert made.handle(Event.DATA, 100.0) is None
    assert made.deadline_s == 100.0 + 3 * 4.0


def test_a_sensor_whose_silence_is_ordinary_has_no_watchdog():
    assert after(machine(interval_s=None), *TO_STREAM).deadline_s is None


@pytest.mark.parametrize("event", [Event.DEADLINE, Event.DROPPED, Event.STACK_LOST])
def test_a_link_that_ends_is_closed_then_waited_for_then_searched(event):
    made = after(machine(), *TO_STREAM, now_s=10.0)
    assert made.handle(event, 20.0) is Action.CLOSE
    assert made.deadline_s == 20.0 + LIMITS.close_s
    assert made.handle(Event.CLOSED, 21.0) is Action.REST
    assert made.deadline_s is not None
    assert 21.0 < made.deadline_s <= 21.0 + LIMITS.backoff_cap_s
    assert made.handle(Event.DEADLINE, made.deadline_s) is Action.SEARCH


def test_a_link_that_does_not_close_is_left():
    made = after(machine(), *TO_STREAM, Event.DROPPED)
    assert made.handle(Event.DEADLINE, 5.0) is Action.REST


def test_waits_grow_until_a_value_comes():
    made = machine()

    def longest_of(rounds: int) -> float:
        waits = []
        for _ in range(rounds):
            after(made, Event.START, Event.FOUND, Event.TURN, Event.FAILED, Event.CLOSED)
            waits.append(made.deadline_s)
            made.handle(Event.DEADLINE, 0.0)
        return max(waits)

    assert 1.0 < longest_of(20) <= LIMITS.backoff_cap_s
    after(made, Event.FOUND, Event.TURN, Event.SUBSCRIBED, Event.DATA, Event.DROPPED, Event.CLOSED)
    assert made.deadline_s <= 1.0


def test_values_before_the_subscription_is_confirmed_change_nothing():
    made = after(machine(), Event.START, Event.FOUND, Event.TURN)
    before = made.deadline_s
    made.handle(Event.DATA, 1.0)
    assert made.state is State.CONNECTING
    assert made.deadline_s == before


@given(st.lists(st.sampled_from(Event)))
def test_no_order_of_events_ends_a_link_for_good(events):
    made = after(machine(), Event.START, *events)
    # Whatever happened: the sensor is searched, or a deadline or another's turn leads there.
    for _ in range(6):
        if made.state is State.SEARCHING:
            break
        if made.state is State.QUEUED:
            made.handle(Event.TURN, 0.0)
        if made.state is State.STREAMING:
            made.handle(Event.DROPPED, 0.0)
        made.handle(Event.DEADLINE, 0.0)
    assert made.state is State.SEARCHING
