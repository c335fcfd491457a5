"""SQLite as both sides keep it: all of a transaction or nothing, and always usable after."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from broker.durable import open_durable, transaction

SCHEMA = "CREATE TABLE IF NOT EXISTS t (x UNIQUE)"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_durable(tmp_path / "db", SCHEMA)) as db:
        yield db


def rows(db: sqlite3.Connection) -> list[object]:
    return [row[0] for row in db.execute("SELECT x FROM t ORDER BY x")]


def test_it_writes_ahead_and_syncs_each_commit(db: sqlite3.Connection, tmp_path: Path) -> None:
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    with closing(open_durable(tmp_path / "other", SCHEMA, full=False)) as other:
        assert other.execute("PRAGMA synchronous").fetchone() == (1,)


def test_a_transaction_is_seen_by_others_when_it_ends(
    db: sqlite3.Connection, tmp_path: Path
) -> None:
    with closing(open_durable(tmp_path / "db", SCHEMA)) as other:
        with transaction(db):
            db.execute("INSERT INTO t VALUES (1)")
            assert rows(other) == []
        assert rows(other) == [1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_takes_everything_back(db: sqlite3.Connection, error: type[BaseException]) -> None:
    def fail() -> None:
        with transaction(db):
            db.execute("INSERT INTO t VALUES (1)")
            raise error

    with pytest.raises(error):
        fail()
    assert rows(db) == []
    with transaction(db):
        db.execute("INSERT INTO t VALUES (2)")
    assert rows(db) == [2]


def test_a_full_disk_leaves_no_transaction_open(db: sqlite3.Connection) -> None:
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    db.execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        with transaction(db):
            db.execute("INSERT INTO t VALUES (1)")
            db.execute("INSERT INTO t VALUES (?)", (bytes(1_000_000),))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill()
    assert not db.in_transaction
    assert rows(db) == []


def test_a_commit_that_fails_leaves_no_transaction_open(tmp_path: Path) -> None:
    schema = """
        CREATE TABLE p (x PRIMARY KEY);
        CREATE TABLE t (x REFERENCES p DEFERRABLE INITIALLY DEFERRED);
    """
    with closing(open_durable(tmp_path / "db", schema)) as db:
        db.execute("PRAGMA foreign_keys=ON")

        def orphan() -> None:
            with transaction(db):
                db.execute("INSERT INTO t VALUES (1)")

        with pytest.raises(sqlite3.IntegrityError):
            orphan()
        with transaction(db):
            db.execute("INSERT INTO p VALUES (1)")
        assert rows(db) == []


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        open_durable(tmp_path / "db", SCHEMA)
