"""Work that must be handed in early: what real training has learnt, and its true share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from broker.protocol.cohort import Cohort
from broker.protocol.messages import BlobReference, Mode, Plan, PlanKind, TrainingPlan
from edge_agent.checkpoints import CheckpointStore
from edge_agent.effects import Model, StartWork
from edge_agent.errors import TrainingError
from edge_agent.examples import ExampleStore
from edge_agent.trainer import Trained, Trainer
from edge_agent.windows import Window
from edge_agent.worker import Worker
from models.artifact import Artifact, load_artifact
from models.normalisation import Normalisation
from models.trainable import TrainableModel

LIMIT_S = 20.0
EXAMPLES, EPOCHS, SEED = 70, 4, (7, 9)
BATCHES = 3  # of 32, 32 and 6 examples
KNOWN = Normalisation((0.5,) * 13, (1.5,) * 13)


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return load_artifact("heart-mlp")


@pytest.fixture
def store(artifact: Artifact) -> Iterator[ExampleStore]:
    with closing(ExampleStore(":memory:", artifact.spec.input_shape, 1000)) as found:
        for n in range(EXAMPLES):
            x = np.random.default_rng(n).normal(n % 2, 1.0, 13).astype(np.float32)
            found.add(Window("table", n, n + 1, x, 0.0), artifact.spec.classes[n % 2])
        yield found


class Gate:
    """Examples that stop at one batch until the test has done what it wants to."""

    def __init__(self, store: ExampleStore, stop_at: int) -> None:
        self._store = store
        self._stop_at = stop_at
        self.read: list[NDArray[np.int64]] = []
        self.reached = threading.Event()
        self.may_go = threading.Event()

    def ids(self, labels: Sequence[str] | None) -> NDArray[np.int64]:
        return self._store.ids(labels)

    def batch(
        self, ids: NDArray[np.int64], labels: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        self.read.append(ids)
        if len(self.read) == self._stop_at:
            self.reached.set()
            assert self.may_go.wait(LIMIT_S)
        return self._store.batch(ids, labels)


def work_of(artifact: Artifact, epochs: int = EPOCHS) -> StartWork:
    plan = Plan(
        1,
        "ward.1",
        PlanKind.TRAIN,
        b"a" * 32,
        0,
        BlobReference(b"d" * 32, 1, 1),
        Cohort.of(("g1",)),
        "none",
        TrainingPlan(epochs, 0.05, 0.9, 0.0),
        10,
        2e6,
        7,
    )
    return StartWork(plan, Model(b"d" * 32, 0, KNOWN, artifact.initial_parameters()), SEED)


def finished_at(
    artifact: Artifact, gate: Gate, checkpoints: CheckpointStore | None = None, times: int = 1
) -> Trained:
    """Train in the worker's own thread; finish, or pause first, while the gate is shut."""

    @contextmanager
    def opened(mode: Mode) -> Iterator[Trainer]:
        yield Trainer(TrainableModel(artifact), gate, checkpoints)

    async def run() -> Trained:
        worker, work = Worker(opened), work_of(artifact)
        try:
            running = asyncio.ensure_future(worker.run(work))
            assert await asyncio.to_thread(gate.reached.wait, LIMIT_S)
            (worker.stop if times > 1 else worker.finish)("ward.1")
            gate.may_go.set()
            result = await running
            if times > 1:  # paused; taken up again, it is to finish before its first step
                assert result is None
                gate.may_go.clear()
                busy = worker._executor.submit(gate.may_go.wait, LIMIT_S)
                again = worker.run(work)
                worker.finish("ward.1")
                gate.may_go.set()
                result = await again
                assert busy.result()
        finally:
            worker.close()
        assert isinstance(result, Trained)
        return result

    return asyncio.run(run())


def by_hand(artifact: Artifact, store: ExampleStore, gate: Gate) -> NDArray[np.float32]:
    """The float32[P] delta of plain steps over the batches that were read."""
    model, base = TrainableModel(artifact), artifact.initial_parameters()
    model.restore(base)
    for ids in gate.read:
        x, y = store.batch(ids, artifact.spec.classes)
        weights = np.ones(len(ids), np.float32)
        model.train_step(KNOWN.apply(x), y, weights, learning_rate=0.05, momentum=0.9)
    return model.parameters() - base


@pytest.mark.parametrize("batch", [1, 4, 6])
def test_what_was_learnt_until_then_is_handed_in(
    artifact: Artifact, store: ExampleStore, batch: int
) -> None:
    gate = Gate(store, batch)
    result = finished_at(artifact, gate)
    assert len(gate.read) == result.steps == batch
    assert result.share == batch / (EPOCHS * BATCHES)
    assert result.num_examples == EXAMPLES
    assert np.isfinite(result.loss)
    assert result.loss > 0
    np.testing.assert_array_equal(result.delta, by_hand(artifact, store, gate))
    assert result.delta.any()


def test_work_that_rested_hands_in_what_its_checkpoint_holds(
    artifact: Artifact, store: ExampleStore, tmp_path: Path
) -> None:
    with closing(CheckpointStore(tmp_path / "training.sqlite")) as checkpoints:
        gate = Gate(store, 5)
        result = finished_at(artifact, gate, checkpoints, times=2)
    # Pausing takes the step under way, and one more with which it writes its checkpoint.
    assert len(gate.read) == result.steps == 6
    assert result.share == 6 / (EPOCHS * BATCHES)
    np.testing.assert_allclose(result.delta, by_hand(artifact, store, gate), atol=1e-7)


def test_nothing_is_handed_in_before_the_first_step(
    artifact: Artifact, store: ExampleStore
) -> None:
    trainer, work = Trainer(TrainableModel(artifact), store), work_of(artifact)
    with pytest.raises(TrainingError, match="before the first step"):
        trainer.train(
            work.plan,
            artifact.initial_parameters(),
            KNOWN,
            np.random.default_rng(SEED),
            enough=lambda: True,
        )
