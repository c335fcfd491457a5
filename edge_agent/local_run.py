"""One plan's steps on one gateway: counted, checkpointed, and taken up again exactly."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression import MAX_MAGNITUDE
from broker.protocol.messages import Plan
from edge_agent.checkpoints import Checkpoint
from edge_agent.errors import StorageError, TrainingError
from edge_agent.rows import Learner

_LOG = logging.getLogger(__name__)
# A crash costs at most so many steps: a second or a few on a small gateway.
STEPS_PER_CHECKPOINT = 500


class Checkpoints(Protocol):
    """Where checkpoints are kept; :class:`~edge_agent.checkpoints.CheckpointStore` is one."""

    def save(self, found: Checkpoint) -> None:
        """Keep a checkpoint in place of the one before."""

    def load(self, work: str, parameters: int) -> Checkpoint | None:
        """Return the checkpoint of this work, if there is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a plan asked for.

    Attributes:
        delta: float32[P], trained less base.
        loss: mean over the last epoch.
        steps: optimizer steps taken.
        share: of the batches that the plan asked for, those that were taken.
    """

    delta: NDArray[np.float32]
    num_examples: int
    loss: float
    steps: int
    share: float = 1.0


class LocalRun:
    """SGD with momentum from a plan's base, one batch at a time.

    Args:
        plan: what was asked.
        base: float32[P].
        correction: float32[P] added to every gradient, or ``None``.
        model: trains; no one else may use it meanwhile.
    """

    def __init__(
        self,
        plan: Plan,
        base: NDArray[np.float32],
        correction: NDArray[np.float32] | None,
        model: Learner,
    ) -> None:
        self.work = f"{plan.plan}/{plan.version}/{plan.seed}"
        self.ids = np.empty(0, np.int64)
        self.epoch = self.batch = self._steps = self._seen = 0
        self._loss = self._mean_loss = 0.0
        self._plan = plan
        self._training = plan.training
        self._base = base
        self._correction = correction
        self._carried: NDArray[np.float32] | None = None
        self._model = model

    @property
    def due(self) -> bool:
        """Whether the last checkpoint was long ago."""
        return self._steps % STEPS_PER_CHECKPOINT == STEPS_PER_CHECKPOINT - 1

    def begin(self, ids: NDArray[np.int64]) -> None:
        """Start from the base on the examples int64[n]."""
        self.ids = ids
        self._model.restore(self._base)

    def resume(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of this work.

        The graph forgets its momentum, and takes what it is given for FedProx's anchor. Both are
        made up for by what is added to the gradients.
        """
        self.ids, self.epoch, self.batch = found.ids, found.epoch, found.batch
        self._steps, self._loss, self._seen = found.steps, found.loss, found.seen
        self._model.restore(found.parameters)
        self._carried = self._training.momentum * found.momentum
        if self._training.mu:
            moved = self._training.mu * (found.parameters - self._base)
            self._correction = moved if self._correction is None else self._correction + moved

    def step(self, x: NDArray[Any], y: NDArray[Any], keep: Checkpoints | None) -> None:
        """Take the next batch, x[n, ...] as the model prepared it and y[n, ...], possibly empty.

        Args:
            keep: where to write a checkpoint after it, if anywhere.
        """
        before = None if keep is None else self._model.parameters()
        self.batch += 1
        if len(x):  # else the store has let go of all of them since
            self._loss += self._train_step(x, y) * len(x)
            self._seen += len(x)
            self._steps += 1
        if keep is not None and before is not None:
            self._keep(keep, self._checkpoint(before))

    def end_epoch(self) -> None:
        """Every batch of the epoch was taken.

        Raises:
            TrainingError: none of its examples is there any more.
        """
        if not self._seen:
            raise TrainingError("every example was let go of while training")
        self._mean_loss = self._loss / self._seen
        self.epoch, self.batch = self.epoch + 1, 0
        self._loss, self._seen = 0.0, 0

    def partial(self, batches: int) -> Trained:
        """Return what was learnt so far, of epochs of ``batches`` batches each.

        Raises:
            TrainingError: nothing, or it diverged.
        """
        if self._seen:
            self._mean_loss = self._loss / self._seen
        if not self._steps:
            raise TrainingError("the time was over before the first step")
        taken = self.epoch * batches + self.batch
        return replace(self.trained(), share=taken / (self._training.local_epochs * batches))

    def trained(self) -> Trained:
        """Return what was learnt.

        Raises:
            TrainingError: it diverged.
        """
        loss, delta = self._mean_loss, self._model.parameters() - self._base
        # ``not <=`` for NaN is neither.
        if not (abs(loss) <= MAX_MAGNITUDE and (np.abs(delta) <= MAX_MAGNITUDE).all()):
            raise TrainingError(f"the loss diverged to {loss}; nothing is sent")
        return Trained(delta, len(self.ids), loss, self._steps)

    def _train_step(self, x: NDArray[Any], y: NDArray[Any]) -> float:
        correction, self._carried = _sum(self._correction, self._carried), None
        return self._model.train_step(
            x,
            y,
            np.ones(len(x), np.float32),
            learning_rate=self._training.learning_rate,
            momentum=self._training.momentum,
            mu=self._training.mu,
            correction=correction,
        )

    def _keep(self, keep: Checkpoints, checkpoint: Checkpoint) -> None:
        try:
            keep.save(checkpoint)
        except StorageError as error:
            # A full disk must not end the training; a crash now costs more steps.
            _LOG.warning("no checkpoint: %s", error)

    def _checkpoint(self, before: NDArray[np.float32]) -> Checkpoint:
        after = self._model.parameters()
        rate = self._training.learning_rate
        # w' = w - rate * velocity, so two vectors tell the third.
        momentum = (before - after) / np.float32(rate) if rate else np.zeros_like(after)
        return Checkpoint(
            self.work,
            self.epoch,
            self.batch,
            self._steps,
            self._loss,
            self._seen,
            self.ids,
            after,
            momentum,
        )


def _sum(
    first: NDArray[np.float32] | None, second: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
