"""What SQLite says of a gateway's state files, said in our own words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from broker.durable import transaction
from edge_agent.errors import StorageError


@contextmanager
def storing(path: str) -> Iterator[None]:
    """Run a block that reads or writes the state file at ``path``.

    Raises:
        StorageError: the file is corrupt, or the disk is full or failing.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(path, str(error)) from error


@contextmanager
def writing(path: str, db: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one transaction on the state file at ``path``.

    Raises:
        StorageError: as :func:`storing`; nothing was written.
    """
    with storing(path), transaction(db):
        yield
