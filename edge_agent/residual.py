"""What error feedback has left out of a gateway's updates, kept in its journal.

EF-SGD (Karimireddy et al. 2019): what a codec leaves out of one update is added to the next. Here
an update may also be lost: rejected, stale, or given up for room. What it had left out must then
go too, for it was left out of nothing. So each update that waits for its receipt has its own change
to the residual beside it; the change joins the residual with a good receipt, and goes with any
other.

The functions write within the caller's transaction.
"""

from __future__ import annotations

import sqlite3

import numpy as np
from numpy.typing import NDArray

SCHEMA = """
CREATE TABLE IF NOT EXISTS residual (
    id INTEGER PRIMARY KEY CHECK (id = 1), vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS residual_change (
    sequence INTEGER PRIMARY KEY, vector BLOB NOT NULL);
"""
Vector = NDArray[np.float32]


def read_residual(db: sqlite3.Connection, parameters: int) -> Vector | None:
    """Return the residual with the changes of all updates that wait, float32[P].

    ``None`` when there is none, or it is of another length than P or not finite: of no use.
    """
    rows = db.execute(
        "SELECT vector FROM residual UNION ALL "
        "SELECT vector FROM (SELECT vector FROM residual_change ORDER BY sequence)"
    ).fetchall()
    parts = [np.frombuffer(row[0], "<f4").astype(np.float32) for row in rows]
    if not parts or any(part.size != parameters for part in parts):
        return None
    total = sum(parts[1:], start=parts[0])
    return total if np.isfinite(total).all() else None


def holds_residual(db: sqlite3.Connection) -> bool:
    """Whether there is a residual or a change to it."""
    tables = ("SELECT 1 FROM residual", "SELECT 1 FROM residual_change")
    return any(db.execute(table).fetchone() is not None for table in tables)


def add_change(db: sqlite3.Connection, sequence: int, change: Vector) -> None:
    """Write what an update leaves out, float32[P]."""
    db.execute("INSERT INTO residual_change VALUES (?,?)", (sequence, _bytes(change)))


def absorb_change(db: sqlite3.Connection, sequence: int) -> None:
    """The update counts: what it left out is owed."""
    row = db.execute("SELECT vector FROM residual_change WHERE sequence = ?", (sequence,))
    found = row.fetchone()
    if found is None:
        return
    change = np.frombuffer(found[0], "<f4").astype(np.float32)
    before = db.execute("SELECT vector FROM residual").fetchone()
    if before is not None and len(before[0]) == len(found[0]):
        change = np.frombuffer(before[0], "<f4").astype(np.float32) + change
    db.execute("INSERT OR REPLACE INTO residual VALUES (1,?)", (_bytes(change),))
    roll_back_change(db, sequence)


def roll_back_change(db: sqlite3.Connection, sequence: int) -> None:
    """The update does not count: the residual is as it was without it."""
    db.execute("DELETE FROM residual_change WHERE sequence = ?", (sequence,))


def discard_residual(db: sqlite3.Connection) -> None:
    """Nothing is owed any more, whatever becomes of the updates that wait."""
    db.execute("DELETE FROM residual")
    db.execute("DELETE FROM residual_change")


def _bytes(vector: Vector) -> bytes:
    return vector.astype("<f4").tobytes()
