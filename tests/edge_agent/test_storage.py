"""SQLite's errors, said as ours."""

from __future__ import annotations

import sqlite3

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
