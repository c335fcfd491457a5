"""Examples as a learner's steps take them: prepared for every step, or once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from broker.protocol.messages import TrainingPlan
from edge_agent.augmentation import Variation, triads
from models.normalisation import Normalisation
from models.partial import PartialModel
from models.spec import CLASSIFICATION, ModelSpec
from models.truth import normalised_truth

# Features of so many bytes are kept over the epochs; beyond it they are computed again each time.
MAX_FEATURE_BYTES = 16 << 20


class Examples(Protocol):
    """What training reads; :class:`~edge_agent.examples.ExampleStore` is one."""

    def ids(self, labels: Sequence[str] | None) -> NDArray[np.int64]:
        """int64[n] ids of the examples with one of the labels, or of all."""

    def batch(
        self, ids: NDArray[np.int64], labels: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """x float32[n, ...] and y[n, ...] in the sensor's units."""


class Learner(Protocol):
    """What is trained: :class:`~models.trainable.TrainableModel`, or some of its layers.

    :class:`~models.partial.PartialModel` is the other; see there for what the methods do.
    """

    spec: ModelSpec

    def restore(self, parameters: NDArray[np.float32]) -> None: ...

    def parameters(self) -> NDArray[np.float32]: ...

    def prepare(self, x: NDArray[np.float32]) -> NDArray[Any]: ...

    def train_step(
        self,
        prepared: NDArray[Any],
        y: NDArray[Any],
        sample_weight: NDArray[np.float32],
        *,
        learning_rate: float,
        momentum: float = 0.0,
        mu: float = 0.0,
        correction: NDArray[np.float32] | None = None,
    ) -> float: ...


@dataclass(frozen=True, slots=True, eq=False)
class StoredRows:
    """Read, varied, normalised and prepared for every step: nothing is kept in memory."""

    model: Learner
    examples: Examples
    normalisation: Normalisation
    variation: Variation | None = None

    def batch(
        self, ids: NDArray[np.int64], place: tuple[int, int] = (0, 0)
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """What `train_step` takes, and y; fewer rows where the store has let go of some.

        ``place``, the epoch and the batch in it, is what a variation's draws follow from.
        """
        spec = self.model.spec
        x, y = self.examples.batch(ids, spec.classes)
        if self.variation is not None:
            x = self.variation.of(x, place)
        normalised = self.normalisation.apply(x)
        prepared = self.model.prepare(normalised)
        if isinstance(self.model, PartialModel) and self.model.compares_with_input:
            return prepared, normalised
        return prepared, normalised_truth(spec, self.normalisation, y)


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """Prepared once: row i is of the example ids[i], int64[n] in rising order."""

    ids: NDArray[np.int64]
    prepared: NDArray[Any]
    y: NDArray[Any]

    def batch(
        self, ids: NDArray[np.int64], place: tuple[int, int] = (0, 0)
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """What `train_step` takes, and y; the same in every ``place``."""
        del place
        places = np.searchsorted(self.ids, ids)
        return self.prepared[places], self.y[places]


def variation_of(
    model: Learner, training: TrainingPlan, generator: np.random.Generator
) -> Variation | None:
    """What a plan asks to vary, or ``None`` where nothing can be.

    Only windows of a classifier vary: a number that is to be foretold would have to turn with its
    channels. Where a part of the network learns, windows are prepared once and stay as they are.
    """
    spec = model.spec
    windows = spec.task == CLASSIFICATION and len(spec.input_shape) == 2
    columns = triads(spec.channels) if windows and not isinstance(model, PartialModel) else ()
    if not columns or not (training.rotation_deg or training.scaling):
        return None
    seed = int(generator.integers(2**63))
    return Variation(columns, training.rotation_deg, training.scaling, seed)


def kept(rows: StoredRows, ids: NDArray[np.int64]) -> StoredRows | KeptRows:
    """`rows` of these examples, prepared once if they are worth it and fit.

    They are where a part of the network runs for an example and does not change. They are not kept
    where the store has let go of some meanwhile, for which is which would be lost.
    """
    if not isinstance(rows.model, PartialModel) or not ids.size:
        return rows
    ids = np.sort(ids)
    parts, truths, size = [], [], 0
    for start in range(0, len(ids), rows.model.spec.batch_size):
        batch = ids[start : start + rows.model.spec.batch_size]
        prepared, y = rows.batch(batch)
        size += prepared.nbytes + y.nbytes
        if len(prepared) != len(batch) or size > MAX_FEATURE_BYTES:
            return rows
        parts.append(prepared)
        truths.append(y)
    return KeptRows(ids, np.concatenate(parts), np.concatenate(truths))
