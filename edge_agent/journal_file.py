"""The journal's file: its tables, its format, whose it is, and what stands under names in it."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

from broker.durable import META_SCHEMA, read_meta, write_meta
from edge_agent.errors import ForeignStateError, StorageError
from edge_agent.residual import SCHEMA as RESIDUAL_SCHEMA
from edge_agent.storage import open_state, storing, writing

_LOG = logging.getLogger(__name__)
FORMAT = 2
# In format 1 offers may lack what was added to them since; see broker.protocol.wire.decode_stored.
_READABLE = (1, FORMAT)
_SCHEMA = (
    META_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS outgoing (
    sequence INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
    offer BLOB, payload BLOB);
CREATE TABLE IF NOT EXISTS model (
    version INTEGER PRIMARY KEY, digest BLOB NOT NULL, blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS control (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, reach REAL NOT NULL,
    base BLOB NOT NULL, own BLOB NOT NULL);
"""
    + RESIDUAL_SCHEMA
)


def open_journal(
    path: Path | str, owner: str, artifact: bytes, floor: int = 0
) -> sqlite3.Connection:
    """Open the file, mending it if need be, or make it.

    Args:
        path: the file, or ``":memory:"``.
        owner: population and gateway.
        artifact: SHA-256 of the training artifact.
        floor: where counters begin in a file that is new or was corrupt.

    Raises:
        ForeignStateError: it is another owner's, or of a format that this version cannot read.
        StorageError: it cannot be opened or mended.
    """
    db, mended = open_state(path, _SCHEMA)
    try:
        found = read_named(db, path, "format")
        with writing(str(path), db):
            _claim_format(db, path, found)
            _claim(db, path, "owner", owner)
            _claim(db, path, "artifact", artifact)
            if found is None or mended is not None:
                for name in ("birth", "sequence"):
                    write_meta(db, name, max(floor, int(read_named(db, path, name) or 0)))
    except StorageError:
        db.close()
        raise
    return db


def read_named(db: sqlite3.Connection, path: Path | str, key: str) -> Any:
    """Return what stands under a name, or ``None``."""
    with storing(str(path)):
        return read_meta(db, key)


def write_named(
    db: sqlite3.Connection, path: Path | str, key: str, value: int | str | bytes
) -> None:
    """Write what stands under a name, durably."""
    with writing(str(path), db):
        write_meta(db, key, value)


def _claim_format(db: sqlite3.Connection, path: Path | str, found: Any) -> None:
    if found not in (None, *_READABLE):
        raise ForeignStateError(
            path,
            f"another format: {found!r}, this version of perfuse reads {FORMAT} and older; go on "
            "with the version that wrote it, or begin with an empty state_dir",
        )
    if found not in (None, FORMAT):
        _LOG.info("%s: taken over from format %s", path, found)
    write_meta(db, "format", FORMAT)


def _claim(db: sqlite3.Connection, path: Path | str, key: str, value: str | bytes) -> None:
    found = read_named(db, path, key)
    if found not in (None, value):
        raise ForeignStateError(path, f"belongs to another {key}")
    write_meta(db, key, value)
