"""Where training stands, written down now and then, so that it resumes after a pause or a crash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.storage import open_state, storing, writing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), work TEXT NOT NULL, epoch INTEGER NOT NULL,
    batch INTEGER NOT NULL, steps INTEGER NOT NULL, loss REAL NOT NULL, seen INTEGER NOT NULL,
    ids BLOB NOT NULL, parameters BLOB NOT NULL, momentum BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Training between two steps.

    Attributes:
        work: names the plan and its base; another's checkpoint is of no use.
        epoch, batch: the next step is this batch of this epoch, both from 0.
        steps: optimizer steps taken.
        loss: summed over the ``seen`` examples of this epoch.
        ids: int64[n], the examples that this work trains on.
        parameters: float32[P].
        momentum: float32[P], SGD's velocity after the last step.
    """

    work: str
    epoch: int
    batch: int
    steps: int
    loss: float
    seen: int
    ids: NDArray[np.int64]
    parameters: NDArray[np.float32]
    momentum: NDArray[np.float32]


class CheckpointStore:
    """The last checkpoint of one gateway.

    Raises:
        StorageError: the file cannot be opened or mended. From every method: the disk is full or
            failing; the checkpoint before is still there.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        # A power cut may cost the last one: the one before will do.
        self._db, _ = open_state(path, _SCHEMA, full=False)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def save(self, found: Checkpoint) -> None:
        """Keep a checkpoint in place of the one before."""
        arrays = (
            found.ids.astype("<i8").tobytes(),
            found.parameters.astype("<f4").tobytes(),
            found.momentum.astype("<f4").tobytes(),
        )
        plain = (found.work, found.epoch, found.batch, found.steps, found.loss, found.seen)
        with writing(self._path, self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO checkpoint VALUES (1,?,?,?,?,?,?,?,?,?)", (*plain, *arrays)
            )

    def load(self, work: str, parameters: int) -> Checkpoint | None:
        """Return the checkpoint of this work, with float32[``parameters``], if there is one."""
        with storing(self._path):
            row = self._db.execute("SELECT * FROM checkpoint WHERE work = ?", (work,)).fetchone()
        if row is None:
            return None
        _, work, epoch, batch, steps, loss, seen, ids, weights, momentum = row
        found = Checkpoint(
            work,
            epoch,
            batch,
            steps,
            loss,
            seen,
            _array(ids, "<i8", np.int64),
            _array(weights, "<f4", np.float32),
            _array(momentum, "<f4", np.float32),
        )
        return found if found.parameters.shape == found.momentum.shape == (parameters,) else None


def _array(blob: bytes, stored: str, wanted: type[Any]) -> NDArray[Any]:
    return np.frombuffer(blob, stored).astype(wanted)
