"""SQLite's errors, said as ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge_agent.errors import AgentError, StorageError
from edge_agent.storage import storing


def test_an_error_of_the_database_names_its_file() -> None:
    with pytest.raises(StorageError) as caught, storing("state.sqlite"):
        raise sqlite3.OperationalError("disk I/O error")
    assert isinstance(caught.value, AgentError)
    assert (caught.value.path, caught.value.reason) == ("state.sqlite", "disk I/O error")
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), storing("state.sqlite"):
        raise KeyError("x")


def test_damage_is_told_from_what_may_pass(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no database" * 500)
    with pytest.raises(StorageError) as caught, storing("x"):
        sqlite3.connect(tmp_path / "x").execute("SELECT * FROM t")
    assert caught.value.corrupt
    with pytest.raises(StorageError) as caught, storing("x"):
        sqlite3.connect(tmp_path).execute("SELECT * FROM t")
    assert not caught.value.corrupt
