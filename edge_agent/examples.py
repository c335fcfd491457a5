"""The gateway's examples: labelled and unlabelled windows in a bounded SQLite file.

Nothing in this file ever leaves the gateway. Windows are kept in the sensor's own units, because
the normalisation changes with the population.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ForeignStateError, StorageError
from edge_agent.labels import Annotation
from edge_agent.storage import open_state, storing, writing
from edge_agent.windows import Window
from models.spec import REGRESSION, SEGMENTATION, ModelSpec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS shape (dims TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS example (
    id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL, label TEXT, x BLOB NOT NULL, y BLOB, held INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sensor, start_ns));
CREATE INDEX IF NOT EXISTS example_label ON example (label);
"""

_CHOSEN = """
FROM example WHERE NOT held AND (? IS NULL OR label IN (SELECT value FROM json_each(?)))
AND (? OR y IS NOT NULL)
"""
_COUNT = "SELECT COUNT(*)" + _CHOSEN
_IDS = "SELECT id" + _CHOSEN + "ORDER BY id"
_HELD = """
SELECT id, (? AND COALESCE(label IN (SELECT value FROM json_each(?)), 0)) OR (? AND y IS NOT NULL)
FROM example WHERE held ORDER BY id
"""
_HELD_COUNT = "SELECT COUNT(*) FROM example WHERE held"
# A file of before there were truths and examples held back goes on.
_ADDED = {
    "y": "ALTER TABLE example ADD COLUMN y BLOB",
    "held": "ALTER TABLE example ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
}

Truth = tuple[tuple[int, ...], str]
"""Shape, and dtype such as ``"<f4"``."""
Example = tuple[Window, str | None] | tuple[Window, str | None, NDArray[Any] | None]


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Examples that are not trained on, so that a new version can be checked on them.

    Attributes:
        share: of all examples, drawn by a checksum of sensor and start: the same on every run.
        most: how many at most; what is drawn beyond is trained on.
    """

    share: float = 0.0
    most: int = 0


class ExampleStore:
    """Windows float32[T, C] (or rows float32[F]) with their labels, oldest let go first.

    When full, unlabelled examples go before labelled ones. Where the task has no classes of whole
    examples, an example has a ``truth`` instead of a label: numbers, or a class for each pixel.

    Args:
        path: the file, or ``":memory:"``.
        shape: of one example.
        capacity: examples kept at most.
        truth: shape and dtype of an example's truth, for tasks that have one.
        hold_back: which examples are not trained on.

    Raises:
        StorageError: the file cannot be opened, or holds examples of another shape. From every
            method: it is corrupt, or the disk is full or failing.
    """

    def __init__(
        self,
        path: Path | str,
        shape: tuple[int, ...],
        capacity: int,
        truth: Truth | None = None,
        hold_back: HoldBack = HoldBack(),
    ) -> None:
        self._path = str(path)
        self._shape = shape
        self._capacity = capacity
        self._truth = truth
        self._hold_back = hold_back
        self._db, _ = open_state(path, _SCHEMA, full=False)
        try:
            self._add_columns()
            self._claim()
            self._count = self._scalar("SELECT COUNT(*) FROM example")
        except StorageError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, window: Window, label: str | None, truth: NDArray[Any] | None = None) -> None:
        """Keep a window; the same stretch of the same sensor is kept once."""
        self.extend([(window, label, truth)])

    def extend(self, examples: Iterable[Example]) -> None:
        """Keep many windows in one transaction.

        Raises:
            StorageError: a window has another shape, or the disk is full; nothing was kept.
        """
        before = self._count
        try:
            with writing(self._path, self._db):
                for window, label, *truth in examples:
                    self._insert(window, label, *truth)
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
        """Number of examples to train on whose label is one of ``labels``."""
        return self.trainable(labels)

    def trainable(self, labels: Sequence[str] | None) -> int:
        """Number of examples that :meth:`ids` would give."""
        return self._scalar(_COUNT, *self._chosen(labels))

    def ids(self, labels: Sequence[str] | None) -> NDArray[np.int64]:
        """Return int64[n]: ids of the examples to train on, oldest first.

        Those with one of ``labels``; with ``None`` all, or all that have a truth if the task has.
        """
        rows = self._rows(_IDS, *self._chosen(labels))
        return np.array([row[0] for row in rows], np.int64)

    def held_back(self, labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """int64[n] ids of the examples held back, and bool[n] whether their y is known."""
        rows = self._rows(_HELD, self._truth is None, _listed(labels), self._truth is not None)
        ids = np.array([row[0] for row in rows], np.int64)
        return ids, np.array([bool(row[1]) for row in rows], bool)

    def _chosen(self, labels: Sequence[str] | None) -> tuple[str | bool | None, ...]:
        listed = None if labels is None else _listed(labels)
        return listed, listed, self._truth is None

    def batch(
        self, ids: NDArray[np.int64], labels: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Read examples: x float32[n, ...] and y.

        y is int32[n], the index in ``labels`` or 0, or what the task's truth is; 0 where it is not
        known. Examples that were let go of since are passed over, so n may be less than asked.
        """
        rows = self._rows(
            "SELECT label, x, y FROM example WHERE id IN (SELECT value FROM json_each(?)) "
            "ORDER BY id",
            json.dumps(ids.tolist()),
        )
        x = np.frombuffer(b"".join(row[1] for row in rows), "<f4").astype(np.float32)
        return x.reshape(len(rows), *self._shape), self._y(rows, labels)

    def _y(self, rows: list[Any], labels: Sequence[str]) -> NDArray[Any]:
        if self._truth is None:
            index = {label: i for i, label in enumerate(labels)}
            return np.array([index.get(row[0], 0) for row in rows], np.int32)
        shape, kind = self._truth
        blank = np.zeros(shape, kind).tobytes()
        raw = b"".join(blank if row[2] is None else row[2] for row in rows)
        return np.frombuffer(raw, kind).astype(kind[1:]).reshape(len(rows), *shape)

    def _holds_back(self, window: Window) -> bool:
        """Whether a window is held back: by its own checksum, as long as there is room."""
        draw = zlib.crc32(f"{window.sensor}:{window.start_ns}".encode()) / 2**32
        if draw >= self._hold_back.share:
            return False
        return self._scalar(_HELD_COUNT) < self._hold_back.most

    def _add_columns(self) -> None:
        present = {row[1] for row in self._rows("PRAGMA table_info(example)")}
        with writing(self._path, self._db):
            for column, statement in _ADDED.items():
                if column not in present:
                    self._db.execute(statement)

    def _insert(self, window: Window, label: str | None, truth: NDArray[Any] | None = None) -> None:
        if window.values.shape != self._shape:
            raise StorageError(
                self._path, f"a window {window.values.shape} does not fit {self._shape}"
            )
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO example (sensor, start_ns, end_ns, label, x, y, held) "
            "VALUES (?,?,?,?,?,?,?)",
            (
                window.sensor,
                window.start_ns,
                window.end_ns,
                label,
                window.values.astype("<f4").tobytes(),
                self._truth_bytes(truth),
                self._holds_back(window),
            ),
        )
        self._count += cursor.rowcount

    def _truth_bytes(self, truth: NDArray[Any] | None) -> bytes | None:
        if truth is None:
            return None
        if self._truth is None or truth.shape != self._truth[0]:
            raise StorageError(self._path, f"a truth {truth.shape} does not fit {self._truth}")
        return truth.astype(self._truth[1]).tobytes()

    def _evict(self) -> None:
        if (excess := self._count - self._capacity) > 0:
            cursor = self._db.execute(
                "DELETE FROM example WHERE id IN "
                "(SELECT id FROM example ORDER BY label IS NOT NULL OR y IS NOT NULL, id LIMIT ?)",
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
                raise ForeignStateError(
                    self._path, f"holds examples of {row[0]}, the model wants {dims}"
                )

    def _scalar(self, query: str, *values: str | bool | None) -> int:
        return int(self._rows(query, *values)[0][0])

    def _rows(self, query: str, *values: str | bool | None) -> list[Any]:
        with storing(self._path):
            return self._db.execute(query, values).fetchall()


def truth_of(spec: ModelSpec) -> Truth | None:
    """What a store keeps beside a window for a model: nothing where a label says it all."""
    if spec.task == REGRESSION:
        return spec.truth_shape, "<f4"
    return (spec.truth_shape, "<i4") if spec.task == SEGMENTATION else None


def _listed(labels: Sequence[str]) -> str:
    return json.dumps(list(labels))
