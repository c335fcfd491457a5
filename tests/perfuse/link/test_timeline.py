"""Timelines: the same for the same seed, however they are asked, and as often down as they say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfuse.link.profiles import PROFILES
from perfuse.link.timeline import Ending, EventKind, Timeline

DAY_S = 86_400.0


def timeline(name, seed=7):
    return Timeline(PROFILES[name], np.random.default_rng(seed))


@pytest.mark.parametrize("name", PROFILES)
def test_the_same_seed_is_the_same_timeline_whatever_was_asked_before(name):
    one, two = timeline(name), timeline(name)
    two.finish(5000.0, 30.0)
    two.outage_at(9000.0)
    assert list(one.events(7200)) == list(two.events(7200))


def test_another_seed_is_another_timeline():
    assert list(timeline("ambulance").events(600)) != list(timeline("ambulance", 8).events(600))


@pytest.mark.parametrize("name", PROFILES)
def test_events_are_in_order_and_down_and_up_take_turns(name):
    events = list(timeline(name).events(DAY_S / 4))
    assert all(a.at_s <= b.at_s < DAY_S / 4 for a, b in itertools.pairwise(events))
    turns = [e.kind for e in events if e.kind is not EventKind.STALL]
    assert all(a is not b for a, b in itertools.pairwise(turns))
    assert turns[:1] in ([], [EventKind.DOWN])


@pytest.mark.parametrize("name", PROFILES)
def test_the_share_of_time_that_it_is_up_is_what_the_profile_says(name):
    spans = (e.duration_s for e in timeline(name).events(20 * DAY_S) if e.kind is EventKind.DOWN)
    assert 1 - sum(spans) / (20 * DAY_S) == pytest.approx(PROFILES[name].up_share, abs=0.02)


def test_the_wards_vpn_is_down_six_minutes_each_hour_for_every_gateway_alike():
    def outages(seed):
        events = timeline("ward-vpn", seed).events(3 * 3600)
        return [e for e in events if e.kind is not EventKind.STALL]

    downs = [e for e in outages(1) if e.kind is EventKind.DOWN]
    assert [e.at_s for e in downs] == [600.0, 4200.0, 7800.0]
    assert {e.duration_s for e in downs} == {360.0}
    assert {e.ending for e in downs} == {Ending.SILENT}
    assert outages(1) == outages(2)


def test_an_ambulance_meets_both_endings():
    downs = [e for e in timeline("ambulance").events(DAY_S) if e.kind is EventKind.DOWN]
    silent = sum(e.ending is Ending.SILENT for e in downs) / len(downs)
    assert silent == pytest.approx(0.5, abs=0.05)


@given(
    seed=st.integers(0, 1000),
    start_s=st.floats(0, 5000),
    busy_s=st.floats(0.001, 100),
)
def test_sending_takes_its_time_and_that_of_the_stalls_that_it_met(seed, start_s, busy_s):
    line = timeline("2g", seed)
    end_s, stalled = line.finish(start_s, busy_s)
    met = [
        e
        for e in line.events(end_s)
        if e.kind is EventKind.STALL and start_s < e.at_s + e.duration_s and e.at_s < end_s
    ]
    lost_s = sum(e.at_s + e.duration_s - max(e.at_s, start_s) for e in met)
    assert stalled == len(met)
    assert end_s - start_s == pytest.approx(busy_s + lost_s, abs=1e-6)


@given(seed=st.integers(0, 100), at_s=st.floats(0, 50_000))
def test_looking_at_a_time_and_listing_agree(seed, at_s):
    line = timeline("up-10-percent", seed)
    found = line.outage_at(at_s)
    listed = [
        e
        for e in line.events(at_s + 1)
        if e.kind is EventKind.DOWN and e.at_s <= at_s < e.at_s + e.duration_s
    ]
    assert (found is not None) == bool(listed)
    following = line.next_outage(at_s)
    assert following is not None
    assert following.end_s > at_s
