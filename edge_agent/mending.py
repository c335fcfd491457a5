"""A corrupt state file is mended or put aside at the start, so that a gateway never stays down.

What can still be read moves to a fresh file; the corrupt one is kept beside it for whoever wants to
look. The fresh file is complete before the corrupt one is moved, so a power cut in between costs
nothing: either the next start mends again, or it finds the fresh file ready.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.durable import open_durable, transaction

# Enough to compare two accidents; more would fill a small disk with ruins.
_KEPT_RUINS = 2
_COMPANIONS = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a corrupt file.

    Attributes:
        path: the file, fresh now.
        ruin: where the corrupt one is kept.
        reason: what SQLite said of it.
        saved: rows that could still be read, by table.
    """

    path: Path
    ruin: Path
    reason: str
    saved: dict[str, int]

    def __str__(self) -> str:
        counted = ", ".join(f"{count} of {table}" for table, count in self.saved.items() if count)
        return (
            f"{self.path} was corrupt ({self.reason}); saved {counted or 'nothing'}; "
            f"the corrupt file is kept as {self.ruin.name}"
        )


def mend(path: Path, schema: str) -> Mended | None:
    """Check a state file, and replace it by a fresh one with what can be read if it is corrupt.

    Args:
        path: the file; it need not exist.
        schema: CREATE TABLE IF NOT EXISTS statements of the fresh file.

    Raises:
        sqlite3.Error: the fresh file cannot be written; the corrupt one is where it was.
        OSError: a file cannot be moved.
    """
    fresh = path.with_name(f"{path.name}.fresh")
    if not path.exists():
        if fresh.exists():
            fresh.replace(path)  # the power went between the two moves below
        return None
    reason = _complaint(path)
    if not reason:
        return None
    _remove(fresh)
    saved = _salvage(path, fresh, schema)
    ruin = _ruin_of(path)
    for end in _COMPANIONS:
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").replace(f"{ruin}{end}")
    path.replace(ruin)
    fresh.replace(path)
    _sync_directory(path.parent)
    return Mended(path, ruin, reason, saved)


def _complaint(path: Path) -> str:
    """Return what is wrong with a database, or nothing. A file that is locked is not corrupt."""
    try:
        with closing(sqlite3.connect(path, 0, isolation_level=None)) as db:
            verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        return ""  # busy, no permission, a failing disk: the one who opens it says so
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if verdict == "ok" else verdict.splitlines()[-1]


def _salvage(path: Path, fresh: Path, schema: str) -> dict[str, int]:
    with closing(open_durable(fresh, schema)) as new, closing(sqlite3.connect(path)) as old:
        tables = [
            row[0] for row in new.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        with transaction(new):
            saved = {table: _copy(old, new, table) for table in tables}
        # One file to move, not three.
        new.execute("PRAGMA journal_mode=DELETE")
    return saved


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    names, marks = ",".join(columns), ",".join("?" * len(columns))
    before = new.total_changes
    for row in _readable(old, names, table):
        # What a constraint refuses is part of the damage.
        with suppress(sqlite3.IntegrityError):
            new.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608  # names of our own schema
    return new.total_changes - before


def _readable(db: sqlite3.Connection, names: str, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows before the first page that cannot be read, then those after the last one."""
    for order in ("", " ORDER BY rowid DESC"):
        try:
            yield from db.execute(f"SELECT {names} FROM {table}{order}")  # noqa: S608  # as above
        except sqlite3.DatabaseError:
            continue
        return


def _ruin_of(path: Path) -> Path:
    """Return the name for the next ruin, and let go of those that are too old."""
    pattern = f"{path.name}.corrupt-"
    numbers = sorted(
        int(number)
        for found in path.parent.glob(f"{pattern}*")
        if (number := found.name.removeprefix(pattern)).isdigit()
    )
    for old in numbers[: max(len(numbers) - _KEPT_RUINS + 1, 0)]:
        _remove(path.with_name(f"{pattern}{old}"))
    return path.with_name(f"{pattern}{numbers[-1] + 1 if numbers else 1}")


def _remove(path: Path) -> None:
    for end in ("", *_COMPANIONS):
        Path(f"{path}{end}").unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
