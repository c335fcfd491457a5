"""The round log's file: its tables, its format, whose it is, and its counters."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from broker.aggregator.errors import ForeignStateError, StateError
from broker.aggregator.kept_uploads import SCHEMA as UPLOADS_SCHEMA
from broker.aggregator.log_migration import OLDEST_FORMAT, take_over
from broker.aggregator.model_steps import SCHEMA as STEPS_SCHEMA
from broker.durable import META_SCHEMA, open_durable, read_meta, transaction, write_meta

_LOG = logging.getLogger(__name__)
FORMAT = 8
_SCHEMA = (
    META_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS round (
    number INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
    min_reports INTEGER NOT NULL, goal INTEGER NOT NULL, plan BLOB,
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
    """Open the file, or make it, for a population and an artifact; an older format is taken over.

    Raises:
        ForeignStateError: it belongs to another one, or is of a format that cannot be taken over.
        StateError: it is not a database, or cannot be written.
    """
    try:
        db = open_durable(path, META_SCHEMA)
        try:
            _open(db, path, {"population": population, "artifact": artifact})
        except BaseException:
            db.close()
            raise
    except (sqlite3.DatabaseError, OSError) as error:
        raise StateError(path, str(error)) from error
    return db


def _open(db: sqlite3.Connection, path: Path | str, owner: dict[str, str | bytes]) -> None:
    found = _format_of(db, path)
    for key, value in owner.items():
        if read_meta(db, key) not in (None, value):
            raise ForeignStateError(path, f"belongs to another {key}")
    if found not in (None, FORMAT):
        take_over(db, path, found, FORMAT, _SCHEMA)
        _LOG.warning("%s: format %d was taken over; as it was it is beside", path, found)
    db.executescript(_SCHEMA)
    with transaction(db):
        write_meta(db, "format", FORMAT)
        for key, value in owner.items():
            write_meta(db, key, value)


def _format_of(db: sqlite3.Connection, path: Path | str) -> int | None:
    """Return the file's format, ``None`` of a new one."""
    found = read_meta(db, "format")
    if found is None or (isinstance(found, int) and OLDEST_FORMAT <= found <= FORMAT):
        return found
    raise ForeignStateError(
        path,
        f"another format: {found!r}, this version of perfuse reads up to {FORMAT}; "
        "go on with the version that wrote it, or begin with an empty state_dir",
    )


def counter(db: sqlite3.Connection, name: str) -> int:
    """Return a durable counter's last value, 0 when it was never used."""
    return int(read_meta(db, name) or 0)


def raise_counter(db: sqlite3.Connection, name: str, least: int) -> int:
    """Return a durable counter's next value, ``least`` or more; the caller holds a transaction."""
    value = max(counter(db, name) + 1, least)
    write_meta(db, name, value)
    return value
