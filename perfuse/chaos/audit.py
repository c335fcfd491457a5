"""What the logs of both sides say of every update: folded once, or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.protocol import wire
from broker.protocol.messages import UpdateOffer

_ENDED_WELL = ("accepted", "duplicate")


@dataclass(frozen=True, slots=True)
class Fold:
    """Updates of one round that are durable, and their weight in all: examples times share."""

    updates: int
    weight: float


def open_rounds(state: Path) -> dict[int, str]:
    """Return the state of every round by its number."""
    return dict(_rows(state / "rounds.sqlite", "SELECT number, state FROM round"))


def durable_fold(state: Path) -> Fold:
    """Return what counts in the newest round."""
    rows = _rows(
        state / "rounds.sqlite",
        "SELECT offer FROM folded WHERE payload IS NOT NULL AND round = "
        "(SELECT MAX(number) FROM round)",
    )
    offers = [wire.decode(row[0], UpdateOffer) for row in rows]
    return Fold(len(offers), sum(offer.num_examples * offer.share for offer in offers))


def unsettled(state: Path) -> list[str]:
    """Return the plans whose update a gateway still waits to be answered for."""
    return [row[0] for row in _outgoing(state) if row[1] == "pending"]


def lost(state: Path) -> dict[str, str]:
    """Return the plans whose update a gateway has journalled and nobody will fold, and why."""
    return {plan: status for plan, status in _outgoing(state) if status not in _ENDED_WELL}


def round_of(plan: str) -> int:
    """Return the number of a plan's round."""
    return int(plan.rsplit(".", 1)[1])


def _outgoing(state: Path) -> Iterable[tuple[str, str]]:
    return _rows(state / "journal.sqlite", "SELECT plan_id, status FROM outgoing")


def _rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
