"""What an agent makes of the word that there is another one of its identity."""

from __future__ import annotations

import logging

from broker.protocol.messages import IdentityConflict
from edge_agent.eligibility import Reason
from edge_agent.twin import TwinWatch

OWN, OTHER = b"o" * 8, b"t" * 8
CONFLICT = IdentityConflict("g1", (OWN, OTHER))


def test_it_is_said_once_as_an_error_and_stands_in_the_way() -> None:
    watch = TwinWatch(OWN)
    assert watch.obstacles == ()
    (note,) = watch.told(CONFLICT, 0.0)
    assert note.level == logging.ERROR
    assert note.text.startswith("2 agents run as gateway g1 at once, with one key")
    assert watch.told(CONFLICT, 20.0) == []
    assert [obstacle.reason for obstacle in watch.obstacles] == [Reason.TWIN]


def test_it_goes_when_nothing_was_said_for_long() -> None:
    watch = TwinWatch(OWN)
    watch.told(CONFLICT, 0.0)
    watch.told(CONFLICT, 100.0)
    assert not watch.gone(1000.0)
    assert watch.gone(1001.0)
    assert watch.obstacles == ()
    assert not watch.gone(1002.0)
    assert len(watch.told(CONFLICT, 2000.0)) == 1


def test_what_is_said_of_agents_before_this_one_is_passed_over() -> None:
    watch = TwinWatch(OWN)
    assert watch.told(IdentityConflict("g1", (OTHER, b"u" * 8)), 0.0) == []
    assert watch.obstacles == ()
