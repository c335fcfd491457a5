"""A day's bytes are counted whatever is killed, and no day comes twice."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.daily_budget import DailyBudget, message_bytes
from edge_agent.journal import Journal
from perfuse.virtual.packets import PublishPacket, size_of

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2


def journal(path: Path) -> Journal:
    return Journal(path / "journal", "ward/g1", b"a" * 32)


def test_what_is_spent_is_gone_until_midnight_utc(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as kept:
        budget = DailyBudget(kept, 1000)
        assert budget.left(NOON) == 1000
        budget.spend(900, NOON)
        assert budget.left(NOON) == 100
        budget.spend(900, NOON)
        assert (budget.left(NOON), budget.spent(NOON)) == (0, 1800)
        assert budget.left(NOON + DAY / 2 - 1) == 0
        assert (budget.left(NOON + DAY / 2), budget.spent(NOON + DAY / 2)) == (1000, 0)


def test_a_kill_forgets_nothing_and_costs_at_most_a_block(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as kept:
        before = DailyBudget(kept, 16_000)
        for _ in range(100):
            before.spend(77, NOON)
        # Never closed: this is what a kill leaves.
        after = DailyBudget(kept, 16_000)
        assert 7700 <= after.spent(NOON) <= 7700 + 1001


def test_an_orderly_end_is_exact(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as kept:
        budget = DailyBudget(kept, 16_000)
        budget.spend(77, NOON)
        budget.close()
    with closing(journal(tmp_path)) as kept:
        assert DailyBudget(kept, 16_000).spent(NOON) == 77


def test_a_clock_that_is_set_back_gives_no_day_again(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as kept:
        budget = DailyBudget(kept, 1000)
        budget.spend(1000, NOON)
        assert budget.left(NOON - DAY) == 0
        assert DailyBudget(kept, 1000).left(NOON - DAY) == 0


def test_without_a_limit_the_bytes_are_counted_all_the_same(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as kept:
        budget = DailyBudget(kept)
        budget.spend(10**9, NOON)
        assert (budget.left(NOON), budget.spent(NOON)) == (None, 10**9)


@pytest.mark.parametrize("length", [0, 300, 100_000])
def test_a_message_is_counted_with_its_packets_header(length: int) -> None:
    topic, payload = "perfuse/v1/ward/model", bytes(length)
    packet = size_of(PublishPacket(1, topic, payload))
    assert packet <= message_bytes(topic, payload) <= packet + 3
