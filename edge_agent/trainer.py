"""Local training: epochs of mini-batches over the gateway's examples, off the event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression import MAX_MAGNITUDE
from broker.protocol.messages import Plan
from edge_agent.errors import TrainingError
from models.normalisation import ChannelSums, Normalisation
from models.spec import CLASSIFICATION
from models.trainable import TrainableModel

Step = Callable[[NDArray[np.float32], NDArray[np.int32]], float]


class Examples(Protocol):
    """What training reads; :class:`~edge_agent.examples.ExampleStore` is one."""

    def ids(self, labels: Sequence[str] | None) -> NDArray[np.int64]:
        """int64[n] ids of the examples with one of the labels, or of all."""

    def batch(
        self, ids: NDArray[np.int64], labels: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """x float32[n, ...] in the sensor's units, y int32[n]."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a plan asked for.

    Attributes:
        delta: float32[P], trained less base.
        loss: mean over the last epoch.
        steps: optimizer steps taken.
    """

    delta: NDArray[np.float32]
    num_examples: int
    loss: float
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """What a statistics plan asked for: sums float64[3C] over how many examples."""

    sums: NDArray[np.float64]
    num_examples: int


class Trainer:
    """Trains one model on one gateway's examples.

    Not for two threads at once: it holds one interpreter.
    """

    def __init__(self, model: TrainableModel, examples: Examples) -> None:
        self._model = model
        self._examples = examples
        spec = model.spec
        self._labels = spec.classes if spec.task == CLASSIFICATION else None

    def train(
        self,
        plan: Plan,
        base: NDArray[np.float32],
        normalisation: Normalisation,
        generator: np.random.Generator,
        stopped: Callable[[], bool] = lambda: False,
        correction: NDArray[np.float32] | None = None,
    ) -> Trained | None:
        """Train from ``base`` float32[P]; ``None`` when ``stopped`` said so between two steps.

        ``correction`` float32[P] is added to every gradient.

        Raises:
            TrainingError: fewer examples than the plan asks for, or a loss that is not finite.
        """
        ids = self._ids(plan.min_examples)
        training = plan.training

        def step(x: NDArray[np.float32], y: NDArray[np.int32]) -> float:
            return self._model.train_step(
                normalisation.apply(x),
                y,
                np.ones(len(x), np.float32),
                learning_rate=training.learning_rate,
                momentum=training.momentum,
                mu=training.mu,
                correction=correction,
            )

        self._model.restore(base)
        loss, steps = 0.0, 0
        for _ in range(training.local_epochs):
            epoch = self._epoch(generator.permutation(ids), step, stopped)
            if epoch is None:
                return None
            loss, steps = epoch[0], steps + epoch[1]
        delta = self._model.parameters() - base
        # ``not <=`` for NaN is neither.
        if not (abs(loss) <= MAX_MAGNITUDE and (np.abs(delta) <= MAX_MAGNITUDE).all()):
            raise TrainingError(f"the loss diverged to {loss}; nothing is sent")
        return Trained(delta, len(ids), loss, steps)

    def sum(self, plan: Plan) -> Summed:
        """Sum each channel's readings over the examples, batch by batch.

        Raises:
            TrainingError: fewer examples than the plan asks for.
        """
        ids = self._ids(plan.min_examples)
        sums = ChannelSums.zero(len(self._model.spec.channels))
        for batch in self._batches(ids):
            x, _ = self._examples.batch(batch, self._model.spec.classes)
            sums = sums + ChannelSums.of(x)
        return Summed(sums.to_vector(), len(ids))

    def _epoch(
        self, ids: NDArray[np.int64], step: Step, stopped: Callable[[], bool]
    ) -> tuple[float, int] | None:
        """Return the mean loss and the steps taken; ``None`` when stopped."""
        total, seen, steps = 0.0, 0, 0
        for batch in self._batches(ids):
            if stopped():
                return None
            x, y = self._examples.batch(batch, self._model.spec.classes)
            if not len(x):
                continue  # the store has let go of all of them since
            total += step(x, y) * len(x)
            seen += len(x)
            steps += 1
        if not seen:
            raise TrainingError("every example was let go of while training")
        return total / seen, steps

    def _ids(self, min_examples: int) -> NDArray[np.int64]:
        ids = self._examples.ids(self._labels)
        if len(ids) < max(min_examples, 1):
            raise TrainingError(f"{len(ids)} examples, the plan asks for {min_examples}")
        return ids

    def _batches(self, ids: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        size = self._model.spec.batch_size
        return [ids[start : start + size] for start in range(0, len(ids), size)]
