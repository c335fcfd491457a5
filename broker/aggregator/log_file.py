"""The round log's file: its tables, its format, whose it is, and its counters."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from broker.aggregator.errors import ForeignStateError, StateError
from broker.aggregator.kept_uploads import SCHEMA as UPLOADS_SCHEMA
from broker.aggregator.model_steps import SCHEMA as STEPS_SCHEMA
from broker.durable import META_SCHEMA, open_durable, read_meta, transaction, write_meta

FORMAT = 7
_SCHEMA = (
    META_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS round (
    number INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
    min_reports INTEGER NOT NULL, goal INTEGER NOT NULL, plan BLOB NOT NULL,
    reason TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS folded (
    plan_id TEXT NOT NULL, gateway TEXT NOT NULL, version INTEGER NOT NULL,
    sequence INTEGER NOT NULL, round INTEGER NOT NULL, discount REAL NOT NULL,
    offer BLOB, payload BLOB,
    PRIMARY KEY (plan_id, gateway)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gateway (
    name TEXT PRIMARY KEY, public_key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS version (
    version INTEGER PRIMARY KEY, round INTEGER NOT NULL, cohort INTEGER NOT NULL,
    reported INTEGER NOT NULL, blob BLOB NOT NULL);
"""
    + UPLOADS_SCHEMA
    + STEPS_SCHEMA
)


def open_log(path: Path | str, population: str, artifact: bytes) -> sqlite3.Connection:
    """Open the file, or make it, for a population and an artifact.

    Raises:
        ForeignStateError: it belongs to another one, or is of another format.
        StateError: it is not a database.
    """
    try:
        db = open_durable(path, _SCHEMA)
    except sqlite3.DatabaseError as error:
        raise StateError(path, str(error)) from error
    try:
        _claim(db, path, {"format": FORMAT, "population": population, "artifact": artifact})
    except StateError:
        db.close()
        raise
    return db


def counter(db: sqlite3.Connection, name: str) -> int:
    """Return a durable counter's last value, 0 when it was never used."""
    return int(read_meta(db, name) or 0)


def raise_counter(db: sqlite3.Connection, name: str, least: int) -> int:
    """Return a durable counter's next value, ``least`` or more; the caller holds a transaction."""
    value = max(counter(db, name) + 1, least)
    write_meta(db, name, value)
    return value


def _claim(db: sqlite3.Connection, path: Path | str, owner: dict[str, int | str | bytes]) -> None:
    with transaction(db):
        for key, value in owner.items():
            found = read_meta(db, key)
            if key == "format" and found not in (None, value):
                raise ForeignStateError(
                    path,
                    f"another format: {found!r}, this version of perfuse reads {value!r}; "
                    "go on with the version that wrote it, or begin with an empty state_dir",
                )
            if found is not None and found != value:
                raise ForeignStateError(path, f"belongs to another {key}")
            write_meta(db, key, value)
