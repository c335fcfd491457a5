"""Who can be asked, by what gateways say of themselves; also after a backup was restored."""

from __future__ import annotations

from dataclasses import replace

from broker.aggregator.events import GatewayRestored
from broker.aggregator.roster import Roster
from broker.protocol.messages import GatewayPresence, GatewayState

ARTIFACT = b"a" * 32
SAID = GatewayPresence(
    "g1", 9, b"new-life", b"k" * 32, GatewayState.READY, ARTIFACT, 50, None, 0, 1000
)
OLD = replace(SAID, birth=3, session=b"restored", sent_bytes=100)


def roster() -> Roster:
    found = Roster(ARTIFACT, 32)
    assert found.take(SAID, 0.0) is None
    assert found.ready == ["g1"]
    return found


def test_the_ready_are_sorted_and_each_is_there_once() -> None:
    found = Roster(ARTIFACT, 32)
    for name in ("g3", "g1", "g2", "g1"):
        found.take(replace(SAID, gateway=name), 0.0)
    assert found.ready == ["g1", "g2", "g3"]
    found.drop("g2")
    found.drop("g4")
    assert found.ready == ["g1", "g3"]


def test_an_older_sessions_death_and_what_comes_late_of_it_are_ignored() -> None:
    found = roster()
    tail = [
        replace(OLD, examples=1),
        replace(OLD, examples=2, sent_bytes=200),
        replace(OLD, state=GatewayState.OFFLINE, sent_bytes=300),
    ]
    for late in tail:
        assert found.take(late, 1.0) is None
    assert found.take(tail[-1], 500.0) is None
    assert found.ready == ["g1"]


def test_a_gateway_that_goes_on_speaking_from_an_older_start_was_restored() -> None:
    found = roster()
    found.take(replace(SAID, state=GatewayState.OFFLINE), 5.0)
    assert found.ready == []
    assert found.take(OLD, 10.0) is None
    assert found.take(replace(OLD, sent_bytes=200), 29.0) is None
    assert found.take(OLD, 40.0) is None  # a broker's copy: it is nothing new
    assert found.take(replace(OLD, sent_bytes=300), 40.0) == GatewayRestored("g1", 3, 9)
    assert found.ready == ["g1"]
    # From now on it is known by its new count, and its own death counts.
    assert found.take(replace(OLD, sent_bytes=400), 70.0) is None
    assert found.take(replace(OLD, state=GatewayState.OFFLINE, sent_bytes=500), 71.0) is None
    assert found.ready == []
    assert found.take(replace(OLD, birth=4, session=b"its-next", sent_bytes=9), 80.0) is None
    assert found.ready == ["g1"]


def test_a_newer_session_that_lives_is_believed_all_the_same() -> None:
    found = roster()
    tired = replace(OLD, obstacles=("battery",))
    for beat in range(1, 10):
        now = 30.0 * beat
        assert found.take(replace(tired, sent_bytes=100 + beat), now) is None
        assert found.take(replace(SAID, sent_bytes=1000 + beat), now + 1) is None
        assert found.ready == ["g1"]


def test_two_older_sessions_do_not_add_up_to_one_that_speaks_twice() -> None:
    found = roster()
    for beat in range(1, 6):
        session = b"session%d" % (beat % 2)
        said = replace(OLD, session=session, obstacles=("hot",), sent_bytes=100 * beat)
        assert found.take(said, 30.0 * beat) is None
    assert found.ready == ["g1"]
