"""The gateway's examples: labelled and unlabelled windows in a bounded SQLite file.

Nothing in this file ever leaves the gateway. Windows are kept in the sensor's own units, because
the normalisation changes with the population.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import StorageError
from edge_agent.labels import Annotation
from edge_agent.storage import open_state, storing, writing
from edge_agent.windows import Window

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shape (dims TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS example (
    id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL, label TEXT, x BLOB NOT NULL, UNIQUE (sensor, start_ns));
CREATE INDEX IF NOT EXISTS example_label ON example (label);
"""


class ExampleStore:
    """Windows float32[T, C] (or rows float32[F]) with their labels, oldest let go first.

    When full, unlabelled examples go before labelled ones.

    Args:
        path: the file, or ``":memory:"``.
        shape: of one example.
        capacity: examples kept at most.

    Raises:
        StorageError: the file cannot be opened, or holds examples of another shape. From every
            method: it is corrupt, or the disk is full or failing.
    """

    def __init__(self, path: Path | str, shape: tuple[int, ...], capacity: int) -> None:
        self._path = str(path)
        self._shape = shape
        self._capacity = capacity
        self._db, _ = open_state(path, _SCHEMA, full=False)
        try:
            self._claim()
            self._count = self._scalar("SELECT COUNT(*) FROM example")
        except StorageError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, window: Window, label: str | None) -> None:
        """Keep a window; the same stretch of the same sensor is kept once."""
        self.extend([(window, label)])

    def extend(self, examples: Iterable[tuple[Window, str | None]]) -> None:
        """Keep many windows in one transaction.

        Raises:
            StorageError: a window has another shape, or the disk is full; nothing was kept.
        """
        before = self._count
        try:
            with writing(self._path, self._db):
                for window, label in examples:
                    self._insert(window, label)
                self._evict()
        except BaseException:
            self._count = before
            raise

    def annotate(self, annotation: Annotation) -> int:
        """Label the windows that lie wholly within an annotation; returns how many."""
        with writing(self._path, self._db):
            cursor = self._db.execute(
                "UPDATE example SET label = ? WHERE start_ns >= ? AND end_ns <= ?",
                (annotation.label, annotation.start_ns, annotation.end_ns),
            )
        return cursor.rowcount

    def __len__(self) -> int:
        return self._count

    def labelled(self, labels: Sequence[str]) -> int:
        """Number of examples whose label is one of ``labels``."""
        return self._scalar(
            "SELECT COUNT(*) FROM example WHERE label IN (SELECT value FROM json_each(?))",
            json.dumps(list(labels)),
        )

    def ids(self, labels: Sequence[str] | None) -> NDArray[np.int64]:
        """Return int64[n]: ids of the examples with one of ``labels``, or of all, oldest first."""
        if labels is None:
            rows = self._rows("SELECT id FROM example ORDER BY id")
        else:
            rows = self._rows(
                "SELECT id FROM example WHERE label IN (SELECT value FROM json_each(?)) "
                "ORDER BY id",
                json.dumps(list(labels)),
            )
        return np.array([row[0] for row in rows], np.int64)

    def batch(
        self, ids: NDArray[np.int64], labels: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Read examples: x float32[n, ...] and y int32[n], the index in ``labels`` or 0.

        Examples that were let go of since are passed over, so n may be less than asked.
        """
        rows = self._rows(
            "SELECT label, x FROM example WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            json.dumps(ids.tolist()),
        )
        index = {label: i for i, label in enumerate(labels)}
        x = np.frombuffer(b"".join(row[1] for row in rows), "<f4").astype(np.float32)
        y = np.array([index.get(row[0], 0) for row in rows], np.int32)
        return x.reshape(len(rows), *self._shape), y

    def _insert(self, window: Window, label: str | None) -> None:
        if window.values.shape != self._shape:
            raise StorageError(
                self._path, f"a window {window.values.shape} does not fit {self._shape}"
            )
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO example (sensor, start_ns, end_ns, label, x) VALUES (?,?,?,?,?)",
            (
                window.sensor,
                window.start_ns,
                window.end_ns,
                label,
                window.values.astype("<f4").tobytes(),
            ),
        )
        self._count += cursor.rowcount

    def _evict(self) -> None:
        if (excess := self._count - self._capacity) > 0:
            cursor = self._db.execute(
                "DELETE FROM example WHERE id IN "
                "(SELECT id FROM example ORDER BY label IS NOT NULL, id LIMIT ?)",
                (excess,),
            )
            self._count -= cursor.rowcount

    def _claim(self) -> None:
        dims = "x".join(map(str, self._shape))
        with writing(self._path, self._db):
            row = self._db.execute("SELECT dims FROM shape").fetchone()
            if row is None:
                self._db.execute("INSERT INTO shape VALUES (?)", (dims,))
            elif row[0] != dims:
                raise StorageError(
                    self._path, f"holds examples of {row[0]}, the model wants {dims}"
                )

    def _scalar(self, query: str, *values: str) -> int:
        return int(self._rows(query, *values)[0][0])

    def _rows(self, query: str, *values: str) -> list[Any]:
        with storing(self._path):
            return self._db.execute(query, values).fetchall()
