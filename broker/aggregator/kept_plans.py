"""The plans of the round log's rounds: in full while an update can answer them, then by id alone.

The caller holds the transaction that a write belongs to.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache

from broker.aggregator.rounds import Round, RoundState
from broker.protocol import wire
from broker.protocol.messages import Plan

# A plan may name 20,000 gateways. It is kept for so many versions, or as many as updates may be
# late by, and for so many rounds at most: abandoned ones end with no version.
KEPT_PLANS = 100
MOST_PLANS = 1000


def read_plan(db: sqlite3.Connection, plan: str) -> Plan | None:
    """Return a plan by its id, unless it was let go of."""
    row = db.execute("SELECT plan FROM round WHERE plan_id = ?", (plan,)).fetchone()
    return None if row is None or row[0] is None else decode_plan(row[0])


@lru_cache(maxsize=4)
def decode_plan(stored: bytes) -> Plan:
    """Decode a plan of the log; every offer asks for one of the same few.

    Raises:
        RemoteProtocolError: it is not one that any version has written.
    """
    return wire.decode_stored(stored, Plan)


def is_plan(db: sqlite3.Connection, plan: str) -> bool:
    """Whether there ever was a plan with this id, however long ago."""
    row = db.execute("SELECT 1 FROM round WHERE plan_id = ?", (plan,)).fetchone()
    return row is not None


def forget_plans(db: sqlite3.Connection, newest: Round) -> None:
    """Let go of plans that no update can answer any more, now that there is the newest round."""
    query = "SELECT number FROM round WHERE state = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
    kept = max(KEPT_PLANS, newest.plan.staleness_cap + 1)
    row = db.execute(query, (RoundState.COMMITTED, kept)).fetchone()
    last = max(0 if row is None else row[0], newest.number - MOST_PLANS)
    db.execute("UPDATE round SET plan = NULL WHERE number <= ? AND plan IS NOT NULL", (last,))
