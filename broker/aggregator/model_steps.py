"""The round log's tables of steps between versions, and of what the last one has left out.

They are written in the transaction that commits a version, which the caller holds.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np

from broker.protocol import wire
from broker.protocol.compression import Vector
from broker.protocol.messages import DeltaReference, ModelDelta
from broker.protocol.transfer import refer

# A gateway that missed more versions than that fetches the model whole.
ANNOUNCED_STEPS = 4
# The plan of the version before may still be worked on, and names one step more.
RETAINED_STEPS = ANNOUNCED_STEPS + 1
# One more is kept, to know which chunks a broker is to forget, also after a crash.
_KEPT_STEPS = RETAINED_STEPS + 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS step (version INTEGER PRIMARY KEY, delta BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS carry (
    id INTEGER PRIMARY KEY CHECK (id = 1), vector BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Step:
    """The step that leads to ``version`` from the one before it."""

    version: int
    delta: bytes

    def reference(self, chunk_bytes: int) -> DeltaReference:
        """Name it, for plans and announcements."""
        base = wire.decode(self.delta, ModelDelta).base
        return DeltaReference(self.version - 1, base, refer(self.delta, chunk_bytes))


def keep_step(db: sqlite3.Connection, version: int, delta: bytes) -> None:
    """Write the step to a version."""
    db.execute("INSERT INTO step VALUES (?,?)", (version, delta))


def forget_steps(db: sqlite3.Connection, newest: int) -> None:
    """Let go of steps to versions long before the newest."""
    db.execute("DELETE FROM step WHERE version <= ?", (newest - _KEPT_STEPS,))


def read_step(db: sqlite3.Connection, version: int) -> Step | None:
    """Return the step to a version."""
    row = db.execute("SELECT delta FROM step WHERE version = ?", (version,)).fetchone()
    return None if row is None else Step(version, bytes(row[0]))


def read_steps(db: sqlite3.Connection, version: int) -> list[Step]:
    """Return the last steps to a version, oldest first, each from where the one before it ends."""
    found: list[Step] = []
    for last in range(version, version - ANNOUNCED_STEPS, -1):
        if (step := read_step(db, last)) is None:
            break
        found.insert(0, step)
    return found


def keep_carry(db: sqlite3.Connection, carry: Vector | None) -> None:
    """Write what the newest step has left out, float32[P], in place of what the last one had."""
    db.execute("DELETE FROM carry")
    if carry is not None:
        db.execute("INSERT INTO carry VALUES (1,?)", (carry.astype("<f4").tobytes(),))


def read_carry(db: sqlite3.Connection) -> Vector | None:
    """Return it, float32[P]."""
    row = db.execute("SELECT vector FROM carry").fetchone()
    return None if row is None else np.frombuffer(row[0], "<f4").astype(np.float32)
