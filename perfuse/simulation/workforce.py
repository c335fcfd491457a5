"""Who does the simulated gateways' work: this process, or a few that share the gateways out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType

import numpy as np

from broker.protocol.messages import Mode
from edge_agent.effects import StartWork
from edge_agent.examples import ExampleStore, truth_of
from edge_agent.trainer import Summed, Trained, Trainer
from edge_agent.windows import Window
from edge_agent.worker import perform
from models.artifact import load_artifact
from models.partial import PartialModel, learner_of
from models.spec import CLASSIFICATION
from models.trainable import TrainableModel
from perfuse.simulation.dataset import Dataset, load_dataset

Result = Trained | Summed


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What a plan asks of one gateway.

    Attributes:
        share: of the training steps, after which the gateway was told to hand in what it has.
    """

    gateway: str
    work: StartWork
    share: float = 1.0


class Bench:
    """The gateways of one process: a store each, and one interpreter a training mode."""

    def __init__(self, model: str, dataset: Dataset, clients: Sequence[str]) -> None:
        self._artifact = load_artifact(model)
        self._model = TrainableModel(self._artifact)
        self._learners: dict[str, TrainableModel | PartialModel] = {Mode.FULL: self._model}
        self._stores = {name: _store(self._model, dataset.of((name,))) for name in clients}

    def perform(self, job: Job) -> Result | None:
        """Do what a plan asks of one gateway; ``None`` if there was no time for a single step."""
        work = job.work
        if work.mode not in self._learners:
            self._learners[work.mode] = learner_of(self._artifact, work.mode)
        trainer = Trainer(self._learners[work.mode], self._stores[job.gateway])
        if job.share >= 1:
            return perform(trainer, work)
        batches = -(-self.count(job.gateway) // self._model.spec.batch_size)
        steps = int(job.share * work.plan.training.local_epochs * batches)
        return perform(trainer, work, enough=_after(steps)) if steps else None

    def count(self, gateway: str) -> int:
        """Return how many examples a gateway can train on."""
        spec = self._model.spec
        labels = spec.classes if spec.task == CLASSIFICATION else None
        return self._stores[gateway].trainable(labels)


class Workforce:
    """Does jobs side by side, each gateway always in the same process.

    The results do not depend on the number of processes.
    """

    def __init__(
        self, model: str, data: Path, clients_array: str, clients: Sequence[str], processes: int
    ) -> None:
        self._clients = list(clients)
        count = max(1, min(processes, len(self._clients)))
        context = get_context("spawn")
        self._pools = [
            ProcessPoolExecutor(
                1, context, _open_bench, (model, data, clients_array, self._clients[i::count])
            )
            for i in range(count)
        ]
        self._pool_of = {name: self._pools[i % count] for i, name in enumerate(self._clients)}

    def __enter__(self) -> Workforce:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in self._pools:
            pool.shutdown(wait=kind is None, cancel_futures=True)

    def counts(self) -> dict[str, int]:
        """Return how many examples each gateway can train on."""
        futures = {name: self._pool_of[name].submit(_count, name) for name in self._clients}
        return {name: future.result() for name, future in futures.items()}

    def perform(self, jobs: Sequence[Job]) -> list[Result | None]:
        """Do jobs; results in the order of the jobs."""
        futures = [self._pool_of[job.gateway].submit(_perform, job) for job in jobs]
        return [future.result() for future in futures]


_bench: Bench | None = None


def _open_bench(model: str, data: Path, clients_array: str, clients: Sequence[str]) -> None:
    global _bench  # noqa: PLW0603  (a pool's initializer has no other way to leave something)
    dataset = load_dataset(data, clients_array, load_artifact(model).spec)
    _bench = Bench(model, dataset, clients)


def _perform(job: Job) -> Result | None:
    assert _bench is not None
    return _bench.perform(job)


def _count(gateway: str) -> int:
    assert _bench is not None
    return _bench.count(gateway)


def _after(steps: int) -> Callable[[], bool]:
    """Return what says, asked before each step, that so many are enough."""
    asked = count()
    return lambda: next(asked) >= steps


def _store(model: TrainableModel, mine: Dataset) -> ExampleStore:
    spec = model.spec
    truth = truth_of(spec)
    store = ExampleStore(":memory:", spec.input_shape, max(len(mine.x), 1), truth)
    classes = spec.classes if spec.task == CLASSIFICATION else ()
    store.extend(
        (
            Window("recording", i, i + 1, np.asarray(x), 0.0),
            classes[int(y)] if classes else None,
            None if truth is None else np.asarray(y),
        )
        for i, (x, y) in enumerate(zip(mine.x, mine.y, strict=True))
    )
    return store
