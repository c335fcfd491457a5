"""SQLite as both sides keep what must survive a power cut: WAL and synchronous=FULL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What a file says of itself and counts, by name.
META_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""


def open_durable(path: Path | str, schema: str, *, full: bool = True) -> sqlite3.Connection:
    """Open a database whose committed transactions survive SIGKILL and a power cut.

    Args:
        path: the file, or ``":memory:"``.
        schema: CREATE TABLE IF NOT EXISTS statements.
        full: ``False`` trades the last moments before a power cut for fewer disk syncs; the
            file stays sound.

    Raises:
        sqlite3.DatabaseError: the file is not a database, or not writable.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
        db.execute("PRAGMA busy_timeout=5000")
        # 256 KiB of pages instead of 2 MiB: several files are open, and rows are read once.
        db.execute("PRAGMA cache_size=-256")
        # What a burst has left behind is cut off again.
        db.execute("PRAGMA journal_size_limit=1048576")
        db.executescript(schema)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one transaction; an error that leaves it takes everything back."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # SQLite has ended the transaction itself when the disk is full; a failed COMMIT leaves it.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def read_meta(db: sqlite3.Connection, key: str) -> Any:
    """Return what stands under a name, or ``None``."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def write_meta(db: sqlite3.Connection, key: str, value: int | str | bytes) -> None:
    """Write what stands under a name; the caller holds the transaction, if it wants one."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))
