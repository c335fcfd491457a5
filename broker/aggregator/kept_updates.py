"""The round log's updates: in full while their round is open, then by id alone.

The caller holds the transaction that a write belongs to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from broker.aggregator.rounds import RoundState


@dataclass(frozen=True, slots=True)
class KeptUpdate:
    """An accepted update whose round is not over: ``offer`` as encoded, and its discount."""

    plan: str
    gateway: str
    offer: bytes
    payload: bytes
    discount: float


def read_updates(db: sqlite3.Connection, number: int) -> Iterator[KeptUpdate]:
    """Yield the updates that count in an open round, one at a time."""
    for row in db.execute(
        "SELECT plan_id, gateway, offer, payload, discount FROM folded "
        "WHERE round = ? AND payload IS NOT NULL ORDER BY gateway, plan_id",
        (number,),
    ):
        yield KeptUpdate(*row)


def read_carried(db: sqlite3.Connection) -> list[str]:
    """Return the gateways whose updates wait to count, because their round was abandoned."""
    rows = db.execute(
        "SELECT DISTINCT gateway FROM folded JOIN round ON folded.round = round.number "
        "WHERE payload IS NOT NULL AND state = ?",
        (RoundState.ABANDONED,),
    )
    return [row[0] for row in rows]


def is_answered(db: sqlite3.Connection, plan: str, gateway: str) -> bool:
    """Whether an update of this gateway for this plan is durable."""
    row = db.execute(
        "SELECT 1 FROM folded WHERE plan_id = ? AND gateway = ?", (plan, gateway)
    ).fetchone()
    return row is not None


def forget_update(db: sqlite3.Connection, kept: KeptUpdate) -> None:
    """Let an update count in no round; its id stays."""
    db.execute(
        "UPDATE folded SET offer = NULL, payload = NULL WHERE plan_id = ? AND gateway = ?",
        (kept.plan, kept.gateway),
    )
