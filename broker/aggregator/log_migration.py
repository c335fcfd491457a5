"""Takes round logs of earlier formats over: in one transaction, with a copy of the file beside it.

What the formats are:

1. rounds, updates of the open round, pieces of uploads, versions
2. pieces belong to a gateway
3. gateways have keys
4. rounds have a goal; updates say in which round they count, and how much
5. steps between versions
6. plans name their cohort by tags instead of names
7. bytes are set aside for uploads
8. finished rounds may have let go of their plans
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import cbor2

from broker.aggregator.errors import ForeignStateError
from broker.aggregator.rounds import RoundState
from broker.durable import transaction, write_meta
from broker.protocol import wire
from broker.protocol.cohort import Cohort
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import Plan

OLDEST_FORMAT = 1
# Tables whose columns have changed; all others are only new.
_REBUILT = ("round", "folded", "version")
# Since format 4 updates of abandoned rounds count in the next one. Those that a version was
# committed without have counted in none, and never will.
_LET_GO = """
UPDATE folded SET offer = NULL, payload = NULL WHERE round <
    (SELECT COALESCE(MAX(number), 0) FROM round WHERE state = 'committed');
"""


def take_over(db: sqlite3.Connection, path: Path | str, found: int, to: int, schema: str) -> None:
    """Bring a file of an earlier format up to date.

    Args:
        db: the file, without a transaction.
        found: its format.
        to: today's, whose CREATE TABLE IF NOT EXISTS statements are ``schema``.

    Raises:
        ForeignStateError: a round is open in it that this version cannot read.
        sqlite3.DatabaseError: it cannot be copied or written. It is as it was.
    """
    if str(path) != ":memory:":
        _copy(db, Path(f"{path}.format-{found}"))
    with transaction(db):
        for table in _REBUILT:
            db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
        if found < 7:  # pieces of uploads: their gateways send them again
            db.execute("DROP TABLE chunk")
        for statement in schema.split(";"):
            db.execute(statement)
        _copy_rounds(db, path)
        _copy_updates(db)
        _copy_versions(db)
        for table in _REBUILT:
            db.execute(f"DROP TABLE old_{table}")
        write_meta(db, "format", to)


def _copy(db: sqlite3.Connection, beside: Path) -> None:
    """Copy the file, so that the copy is whole or not there."""
    half = beside.with_name(f"{beside.name}.half")
    half.unlink(missing_ok=True)
    with closing(sqlite3.connect(half)) as copy:
        db.backup(copy)
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(beside)


def _copy_rounds(db: sqlite3.Connection, path: Path | str) -> None:
    goal = "goal" if "goal" in _columns(db, "old_round") else "0"
    rows = db.execute(
        f"SELECT number, plan_id, state, min_reports, {goal}, plan, reason FROM old_round "  # noqa: S608  # a name of ours
        "ORDER BY number"
    ).fetchall()
    for row in rows:
        number, plan_id, state, *_ = row
        plan = today(row[5])
        if plan is None and (state == RoundState.OPEN or number == rows[-1][0]):
            raise ForeignStateError(
                path,
                f"plan {plan_id} of round {number} cannot be read by this version of perfuse; let "
                "the version that wrote it end the round, or begin with an empty state_dir",
            )
        db.execute("INSERT INTO round VALUES (?,?,?,?,?,?,?)", (*row[:5], plan, row[6]))


def _copy_updates(db: sqlite3.Connection) -> None:
    if "round" in _columns(db, "old_folded"):
        where = "round, discount"
    else:  # an update counted for its own plan's round alone
        number = "SELECT number FROM round WHERE round.plan_id = old_folded.plan_id"
        where = f"COALESCE(({number}), 0), 1.0"
    db.execute(
        "INSERT INTO folded SELECT plan_id, gateway, version, sequence, "  # noqa: S608  # our own words
        f"{where}, offer, payload FROM old_folded"
    )
    db.execute(_LET_GO)


def _copy_versions(db: sqlite3.Connection) -> None:
    makers = "cohort, reported" if "cohort" in _columns(db, "old_version") else "0, 0"
    db.execute(f"INSERT INTO version SELECT version, round, {makers}, blob FROM old_version")  # noqa: S608  # our own words


def today(plan: bytes) -> bytes | None:
    """Return a plan as it is written today, ``None`` when nobody can read it."""
    try:
        body: dict[str, Any] = cbor2.loads(plan)
        if isinstance(names := body.get("cohort"), list):
            body["cohort"] = {"tags": Cohort.of(names).tags}
        return wire.encode(wire.decode_stored(cbor2.dumps(body, canonical=True), Plan))
    except (cbor2.CBORError, RemoteProtocolError, LocalProtocolError, AttributeError, TypeError):
        return None


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
