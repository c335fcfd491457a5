"""Who takes turns with whom: two agents of one name are told from one that was restarted."""

from __future__ import annotations

import pytest

from broker.aggregator.sessions import TWIN_SILENCE_S, Sessions
from broker.protocol.messages import TWIN_OBSTACLE, GatewayPresence, GatewayState, IdentityConflict

A, B, C = (bytes([c]) * 8 for c in b"abc")


class Gateway:
    """One agent that speaks: each presence says that more was sent."""

    def __init__(self, sessions: Sessions, session: bytes, birth: int) -> None:
        self.sessions, self.session, self.birth = sessions, session, birth
        self.sent = 0

    def says(self, now: float = 0.0, **changes: object) -> IdentityConflict | None:
        self.sent += 300
        return self.repeats(now, **changes)

    def repeats(self, now: float = 0.0, state: GatewayState = GatewayState.READY) -> object:
        return self.sessions.heard(self.presence(state), now)

    def presence(
        self, state: GatewayState = GatewayState.READY, obstacles: tuple[str, ...] = ()
    ) -> GatewayPresence:
        key = artifact = bytes(32)
        return GatewayPresence(
            *("g1", self.birth, self.session, key, state, artifact, 50, None, 0, self.sent),
            obstacles,
        )


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


def test_a_copied_card_is_seen_as_soon_as_the_first_one_speaks_again(sessions: Sessions) -> None:
    first, copy = Gateway(sessions, A, 7), Gateway(sessions, B, 7)
    assert first.says() is None
    assert copy.says() is None
    assert first.says() == IdentityConflict("g1", (A, B))
    assert copy.says() == IdentityConflict("g1", (A, B))


@pytest.mark.parametrize(("births"), [(7, 9), (9, 7)])
def test_with_different_births_it_takes_one_more_turn(
    sessions: Sessions, births: tuple[int, int]
) -> None:
    first, second = Gateway(sessions, A, births[0]), Gateway(sessions, B, births[1])
    assert [p.says() for p in (first, second, first, second)] == [None] * 4
    assert first.says() == IdentityConflict("g1", (A, B))


def test_restarts_are_not_reported(sessions: Sessions) -> None:
    for birth, session in enumerate((A, B, C), 1):
        life = Gateway(sessions, session, birth)
        assert [life.says(30.0 * i) for i in range(5)] == [None] * 5


def test_what_a_broker_replays_of_a_dead_session_is_no_sign_of_life(sessions: Sessions) -> None:
    dead, alive = Gateway(sessions, A, 1), Gateway(sessions, B, 2)
    dead.says()
    dead.says()
    for _ in range(5):
        assert alive.says() is None
        assert dead.repeats() is None
        assert dead.repeats(state=GatewayState.OFFLINE) is None


def test_wills_are_no_sign_of_life(sessions: Sessions) -> None:
    first, second = Gateway(sessions, A, 1), Gateway(sessions, B, 1)
    for _ in range(5):
        assert first.says() is None
        assert second.says(state=GatewayState.OFFLINE) is None


def test_the_tail_of_a_dead_session_may_come_late(sessions: Sessions) -> None:
    dead, alive = Gateway(sessions, A, 1), Gateway(sessions, B, 2)
    dead.says()
    alive.says()
    assert dead.says() is None
    assert [alive.says() for _ in range(5)] == [None] * 5


def test_a_conflict_is_over_when_the_other_is_silent_for_long(sessions: Sessions) -> None:
    first, copy = Gateway(sessions, A, 7), Gateway(sessions, B, 7)
    first.says(0.0)
    copy.says(10.0)
    assert first.says(20.0) is not None
    assert first.says(10.0 + TWIN_SILENCE_S) is not None
    assert first.says(11.0 + TWIN_SILENCE_S) is None


def test_who_does_not_say_that_it_knows_is_told_each_time(sessions: Sessions) -> None:
    first, copy = Gateway(sessions, A, 7), Gateway(sessions, B, 7)
    first.says()
    copy.says()
    assert first.says() is not None
    # The broker gave the first of these to the other one.
    assert [sessions.to_tell(first.presence(), now) for now in (0, 1, 2)] == [True] * 3


def test_a_conflict_is_new_once_and_each_is_told_now_and_then(sessions: Sessions) -> None:
    first, copy = Gateway(sessions, A, 7), Gateway(sessions, B, 7)
    first.says()
    copy.says()
    found = first.says()
    assert found is not None
    assert [sessions.is_new(found), sessions.is_new(found)] == [True, False]
    knowing = first.presence(obstacles=(TWIN_OBSTACLE,))
    assert [sessions.to_tell(knowing, now) for now in (0, 19, 20)] == [True, False, True]
    assert sessions.to_tell(copy.presence(obstacles=(TWIN_OBSTACLE,)), 5)


def test_a_run_that_was_over_before_is_not_one_of_them(sessions: Sessions) -> None:
    Gateway(sessions, C, 6).says()
    first, copy = Gateway(sessions, A, 7), Gateway(sessions, B, 7)
    first.says()
    copy.says()
    assert first.says() == IdentityConflict("g1", (A, B))


def test_only_a_few_sessions_are_remembered(sessions: Sessions) -> None:
    for number in range(50):
        Gateway(sessions, bytes([number]) * 8, number).says(float(number))
    assert len(sessions._gateways["g1"].sessions) == 4
