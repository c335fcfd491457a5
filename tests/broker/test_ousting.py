"""When a link takes it that another client of its id throws it out, and how long it waits then."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from broker.ousting import OustWatch


def watch(jitter: float = 1.0) -> OustWatch:
    return OustWatch(lambda: jitter)


def closed(found: OustWatch, *lifetimes: float, since: float = 0.0) -> list[float]:
    """Let connections live so long, each made as soon as the wait before it is over."""
    waits, now = [], since
    for lifetime in lifetimes:
        found.connected(now)
        now += lifetime
        waits.append(found.lost(now))
        now += waits[-1]
    return waits


def test_connections_that_are_closed_soon_again_and_again_make_it_wait_for_minutes() -> None:
    waits = closed(watch(), *[1.0] * 70)
    assert waits[:4] == [0.0, 0.0, 0.0, 4.0]
    assert waits[3:] == sorted(waits[3:])
    assert waits[-1] == 300


def test_it_waits_for_no_more_than_a_tenth_of_the_time_that_it_has_gone_on_for() -> None:
    """Half a minute of a link that is cut every three seconds costs seconds, not minutes."""
    waits, lifetime = closed(watch(), *[3.0] * 50), 3.0
    assert max(waits[:8]) == 4.0
    for n, wait in enumerate(waits):
        assert wait <= max(4.0, 0.1 * (sum(waits[:n]) + (n + 1) * lifetime) + 1e-9)


def test_jitter_takes_up_to_half() -> None:
    assert closed(watch(0.0), *[1.0] * 5)[3:] == [2.0, 2.0]


def test_a_connection_that_lasts_ends_it() -> None:
    found = watch()
    closed(found, *[1.0] * 5)
    assert closed(found, 5 * 4.0) == [0.0]
    # Nor is that time forgotten only for a while.
    assert closed(found, *[1.0] * 4, since=3600.0)[2:] == [0.0, 4.0]


def test_a_bad_link_is_not_taken_for_a_twin() -> None:
    found = watch()
    for _ in range(20):
        assert closed(found, 6.0, 6.0) == [0.0, 0.0]
        found.unreachable()  # what a link that is down adds before it is back


def test_connections_that_never_came_about_do_not_count() -> None:
    found = watch()
    assert [found.lost(now) for now in range(10)] == [0.0] * 10
    assert found.closed == 0


@pytest.mark.parametrize("clients", [2, 3])
def test_clients_of_one_id_do_not_wage_war(clients: int) -> None:
    """Each connects and ousts who is there; in virtual time, with reconnects after a second."""
    rng = np.random.default_rng(clients)
    watches = [OustWatch(rng.random) for _ in range(clients)]
    due = [(float(i), i) for i in range(clients)]
    heapq.heapify(due)
    there: int | None = None
    connects: list[float] = []
    while due[0][0] < 4 * 3600:
        now, client = heapq.heappop(due)
        watches[client].connected(now)
        connects.append(now)
        if there is not None:
            wait = watches[there].lost(now)
            heapq.heappush(due, (now + max(wait, 1.0 + rng.random()), there))
        there = client
        if not due:
            break
    first, last = (sum(a <= t < a + 3600 for t in connects) for a in (0, 3 * 3600))
    assert first < 60 * clients
    assert last < 30 * clients  # it does not begin anew
