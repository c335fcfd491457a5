"""What SQLite says of a gateway's state files, said in our own words."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.durable import open_durable, transaction
from edge_agent.errors import StorageError
from edge_agent.mending import Mended, mend

_LOG = logging.getLogger(__name__)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_state(
    path: Path | str, schema: str, *, full: bool = True
) -> tuple[sqlite3.Connection, Mended | None]:
    """Open a state file of the gateway, mending it first when it is corrupt; that is logged.

    Args:
        path: the file, or ``":memory:"``.
        schema: see :func:`broker.durable.open_durable`.
        full: as there.

    Raises:
        StorageError: it cannot be opened, or not be mended.
    """
    mended = None
    with storing(str(path)):
        if str(path) != ":memory:":
            mended = mend(Path(path), schema)
        db = open_durable(path, schema, full=full)
    if mended is not None:
        _LOG.error("%s", mended)
    return db, mended


@contextmanager
def storing(path: str) -> Iterator[None]:
    """Run a block that reads or writes the state file at ``path``.

    Raises:
        StorageError: the file is corrupt, or the disk is full or failing.
    """
    try:
        yield
    except sqlite3.Error as error:
        # Errors of Python's own module have no code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it
        raise StorageError(path, str(error), corrupt=code in _CORRUPT) from error
    except OSError as error:
        raise StorageError(path, str(error)) from error


@contextmanager
def writing(path: str, db: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one transaction on the state file at ``path``.

    Raises:
        StorageError: as :func:`storing`; nothing was written.
    """
    with storing(path), transaction(db):
        yield
