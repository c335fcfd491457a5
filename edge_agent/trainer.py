"""Local training: epochs of mini-batches over the gateway's examples, off the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.protocol.messages import Plan
from edge_agent.errors import TrainingError
from edge_agent.local_run import Checkpoints, LocalRun, Trained
from edge_agent.rows import Examples, Learner, StoredRows, kept, variation_of
from models.normalisation import ChannelSums, Normalisation
from models.spec import CLASSIFICATION

__all__ = ["Examples", "Summed", "Trained", "Trainer"]


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """What a statistics plan asked for: sums float64[3C] over how many examples."""

    sums: NDArray[np.float64]
    num_examples: int


class Trainer:
    """Trains one model on one gateway's examples.

    Not for two threads at once: it holds one interpreter.

    Args:
        model: the graph that learns.
        examples: what it learns from.
        checkpoints: where training writes how far it has come; ``None`` starts over each time.
    """

    def __init__(
        self, model: Learner, examples: Examples, checkpoints: Checkpoints | None = None
    ) -> None:
        self._model = model
        self._examples = examples
        self._checkpoints = checkpoints
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
        enough: Callable[[], bool] = lambda: False,
    ) -> Trained | None:
        """Train from ``base`` float32[P]; ``None`` when ``stopped`` said so between two steps.

        ``correction`` float32[P] is added to every gradient. With checkpoints, work that was
        stopped or killed before is taken up where it last stood. When ``enough`` says so, what was
        learnt until then is returned, marked with its share.

        Raises:
            TrainingError: fewer examples than the plan asks for, or a loss that is not finite.
        """
        variation = variation_of(self._model, plan.training, generator)
        run = LocalRun(plan, base, correction, self._model)
        checkpoints = self._checkpoints
        found = None if checkpoints is None else checkpoints.load(run.work, base.size)
        if found is None:
            run.begin(self._ids(plan.min_examples))
        else:
            run.resume(found)
        rows = kept(StoredRows(self._model, self._examples, normalisation, variation), run.ids)
        for epoch in range(plan.training.local_epochs):
            order = generator.permutation(run.ids)  # drawn for epochs that are done, too
            if epoch < run.epoch:
                continue
            batches = self._batches(order)
            while run.batch < len(batches):
                if enough():
                    return run.partial(len(batches))
                stop = stopped()
                if stop and checkpoints is None:
                    return None
                keep = checkpoints if stop or run.due else None
                run.step(*rows.batch(batches[run.batch], (epoch, run.batch)), keep)
                if stop:
                    return None
            run.end_epoch()
        return run.trained()

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

    def _ids(self, min_examples: int) -> NDArray[np.int64]:
        ids = self._examples.ids(self._labels)
        if len(ids) < max(min_examples, 1):
            raise TrainingError(f"{len(ids)} examples, the plan asks for {min_examples}")
        return ids

    def _batches(self, ids: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        size = self._model.spec.batch_size
        return [ids[start : start + size] for start in range(0, len(ids), size)]
