"""A corrupt state file gives what it still has to a fresh one, whenever the power goes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from broker.durable import open_durable, transaction
from edge_agent import mending
from edge_agent.mending import mend

SCHEMA = """
CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS m (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""
ROWS, PAGE = 200, 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    fill(path)
    return path


def fill(path: Path) -> None:
    with closing(open_durable(path, SCHEMA)) as db, transaction(db):
        db.executemany("INSERT INTO t VALUES (?,?)", [(i, bytes([i]) * 600) for i in range(ROWS)])
        db.execute("INSERT INTO m VALUES ('birth', 3)")


def spoil(path: Path, page: int) -> None:
    data = bytearray(path.read_bytes())
    data[page * PAGE : (page + 1) * PAGE] = np.random.default_rng(page).bytes(PAGE)
    path.write_bytes(data)


def rows(path: Path) -> dict[int, bytes]:
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT id, x FROM t"))


def names(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.iterdir())


def test_a_sound_file_and_no_file_are_left_alone(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    assert mend(path, SCHEMA) is None
    assert mend(tmp_path / "none", SCHEMA) is None
    assert path.read_bytes() == before
    assert names(path) == ["state"]


@pytest.mark.parametrize("page", [6, 15, 20, 30])
def test_one_bad_page_costs_its_own_rows(path: Path, page: int) -> None:
    spoil(path, page)
    ruin = path.read_bytes()
    mended = mend(path, SCHEMA)
    assert mended is not None
    assert mended.saved["t"] >= ROWS - 2 * PAGE // 600
    assert mended.saved["m"] == 1
    assert all(x == bytes([i]) * 600 for i, x in rows(path).items())
    assert mended.ruin.read_bytes() == ruin
    assert "was corrupt" in str(mended)
    assert "kept as state.corrupt-1" in str(mended)
    assert mend(path, SCHEMA) is None


@pytest.mark.parametrize("data", [b"no database" * 500, bytes(PAGE)])
def test_what_is_no_database_is_put_aside(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    mended = mend(path, SCHEMA)
    assert mended is not None
    assert "saved nothing" in str(mended)
    assert rows(path) == {}


def test_what_was_only_in_the_log_is_saved_too(path: Path) -> None:
    with closing(open_durable(path, SCHEMA)) as db:
        db.execute("INSERT INTO t VALUES (1000, x'01')")
        # As a power cut leaves it: the newest rows are not in the main file yet.
        copies = {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal")}
    for end, data in copies.items():
        Path(f"{path}{end}").write_bytes(data)
    spoil(path, 20)
    assert mend(path, SCHEMA) is not None
    assert rows(path)[1000] == b"\x01"


def test_few_ruins_are_kept(path: Path) -> None:
    for _ in range(4):
        spoil(path, 15)
        assert mend(path, SCHEMA) is not None
    assert names(path) == ["state", "state.corrupt-3", "state.corrupt-4"]


@pytest.mark.parametrize("moves", [0, 1])
def test_the_power_may_go_while_mending(
    path: Path, moves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(path, 15)
    done = 0
    replace = Path.replace

    def lose_power(self: Path, target: Path) -> Path:
        nonlocal done
        if done == moves:
            raise KeyboardInterrupt
        done += 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(mending.Path, "replace", lose_power)
        with pytest.raises(KeyboardInterrupt):
            mend(path, SCHEMA)
    mend(path, SCHEMA)
    assert len(rows(path)) > ROWS // 2


def test_a_file_in_use_is_not_corrupt(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert mend(path, SCHEMA) is None
