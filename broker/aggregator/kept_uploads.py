"""The round log's tables of updates that have come in part: one a gateway, and its pieces.

The caller holds the transaction that a write belongs to.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from broker.protocol.messages import BlobReference, Chunk, UpdateOffer

SCHEMA = """
CREATE TABLE IF NOT EXISTS upload (
    gateway TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, version INTEGER NOT NULL,
    digest BLOB NOT NULL, size INTEGER NOT NULL, chunk_bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (
    gateway TEXT NOT NULL, digest BLOB NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (gateway, digest, idx)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class KeptUpload:
    """An update that has come in part: as many bytes as it will have are set aside for it."""

    gateway: str
    size: int


def begin_upload(db: sqlite3.Connection, offer: UpdateOffer) -> None:
    """Make room for what a gateway has offered, in place of what it offered before."""
    gateway, payload = offer.update.gateway, offer.payload
    forget_upload(db, gateway)
    (newest,) = db.execute("SELECT COALESCE(MAX(ordinal), 0) FROM upload").fetchone()
    row = (gateway, newest + 1, offer.update.version)
    db.execute(
        "INSERT INTO upload VALUES (?,?,?,?,?,?)",
        (*row, payload.digest, payload.size, payload.chunk_bytes),
    )


def is_begun(db: sqlite3.Connection, gateway: str, payload: BlobReference) -> bool:
    """Whether this is what the gateway's pieces are of, cut as they are."""
    row = db.execute(
        "SELECT digest, size, chunk_bytes FROM upload WHERE gateway = ?", (gateway,)
    ).fetchone()
    return bool(row == (payload.digest, payload.size, payload.chunk_bytes))


def set_aside_bytes(db: sqlite3.Connection, but: str) -> int:
    """Return the bytes of all uploads but one gateway's."""
    query = "SELECT COALESCE(SUM(size), 0) FROM upload WHERE gateway != ?"
    return int(db.execute(query, (but,)).fetchone()[0])


def read_uploads(db: sqlite3.Connection, but: str) -> list[KeptUpload]:
    """Return all uploads but one gateway's, those that were begun first in front."""
    rows = db.execute(
        "SELECT gateway, size FROM upload WHERE gateway != ? ORDER BY ordinal", (but,)
    )
    return [KeptUpload(*row) for row in rows]


def keep_piece(db: sqlite3.Connection, gateway: str, chunk: Chunk) -> None:
    """Write a piece."""
    row = (gateway, chunk.digest, chunk.index, chunk.data)
    db.execute("INSERT OR REPLACE INTO chunk VALUES (?,?,?,?)", row)


def read_indexes(db: sqlite3.Connection, gateway: str, digest: bytes) -> set[int]:
    """Return which pieces are there."""
    query = "SELECT idx FROM chunk WHERE gateway = ? AND digest = ?"
    return {row[0] for row in db.execute(query, (gateway, digest))}


def read_pieces(db: sqlite3.Connection, gateway: str, digest: bytes) -> list[bytes]:
    """Return the pieces that are there, by index."""
    query = "SELECT data FROM chunk WHERE gateway = ? AND digest = ? ORDER BY idx"
    return [row[0] for row in db.execute(query, (gateway, digest))]


def forget_upload(db: sqlite3.Connection, gateway: str) -> None:
    """Let go of what has come of a gateway's update."""
    db.execute("DELETE FROM upload WHERE gateway = ?", (gateway,))
    db.execute("DELETE FROM chunk WHERE gateway = ?", (gateway,))


def forget_older(db: sqlite3.Connection, oldest: int) -> None:
    """Let go of updates of bases before version ``oldest``: they can count no more."""
    stale = "SELECT gateway FROM upload WHERE version < ?"
    db.execute(f"DELETE FROM chunk WHERE gateway IN ({stale})", (oldest,))  # noqa: S608  # our own
    db.execute("DELETE FROM upload WHERE version < ?", (oldest,))
