"""What plans ask for, done in one thread off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np

from broker.protocol.messages import Mode, PlanKind
from edge_agent.effects import StartWork
from edge_agent.memory import give_memory_back
from edge_agent.trainer import Summed, Trained, Trainer


class _Run:
    """One time that a plan is worked on: the same plan may be taken up again before it ends."""

    def __init__(self, work: StartWork) -> None:
        self.work = work
        self.stopped = threading.Event()
        self.enough = threading.Event()


class Worker:
    """Runs one plan at a time.

    Args:
        open_trainer: opens a mode's graph and the examples for one plan, in the thread. Both
            are let go of in between: a gateway is idle most of its life.
    """

    def __init__(self, open_trainer: Callable[[Mode], AbstractContextManager[Trainer]]) -> None:
        self._open_trainer = open_trainer
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="trainer")
        self._closed = threading.Event()
        self._runs: dict[str, _Run] = {}

    def run(self, work: StartWork) -> asyncio.Future[Trained | Summed | None]:
        """Begin the work, or put it behind what is under way; must be called on an event loop.

        Returns what comes of it: ``None`` when :meth:`stop` ended it, or a
        :class:`~edge_agent.errors.TrainingError` when the examples or the loss give nothing.
        """
        plan, run = work.plan.plan, _Run(work)
        self._runs[plan] = run
        result = asyncio.get_running_loop().run_in_executor(self._executor, self._do, run)
        result.add_done_callback(lambda _: self._forget(plan, run))
        return result

    def stop(self, plan: str) -> None:
        """End the work for a plan between two steps, or before it begins; not what comes after."""
        if (run := self._runs.pop(plan, None)) is not None:
            run.stopped.set()

    def finish(self, plan: str) -> None:
        """End the work for a plan between two steps, with what was learnt until then."""
        if (run := self._runs.get(plan)) is not None:
            run.enough.set()

    def _forget(self, plan: str, run: _Run) -> None:
        if self._runs.get(plan) is run:
            del self._runs[plan]

    def close(self) -> None:
        """End what is running and the thread."""
        self._closed.set()
        self._executor.shutdown(cancel_futures=True)

    def _do(self, run: _Run) -> Trained | Summed | None:
        def stops() -> bool:
            return self._closed.is_set() or run.stopped.is_set()

        try:
            if stops():
                return None
            with self._open_trainer(run.work.mode) as trainer:
                return perform(trainer, run.work, stops, run.enough.is_set)
        finally:
            give_memory_back()


def perform(
    trainer: Trainer,
    work: StartWork,
    stopped: Callable[[], bool] = lambda: False,
    enough: Callable[[], bool] = lambda: False,
) -> Trained | Summed | None:
    """Do what a plan asks with this trainer, in the calling thread."""
    if work.plan.kind is PlanKind.STATISTICS or work.model is None:
        return trainer.sum(work.plan)
    generator = np.random.default_rng(work.seed)
    model = work.model
    return trainer.train(
        work.plan,
        model.parameters,
        model.normalisation,
        generator,
        stopped,
        work.correction,
        enough,
    )
