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
        self._stopped: set[str] = set()
        self._finishing: set[str] = set()

    async def run(self, work: StartWork) -> Trained | Summed | None:
        """Do the work; ``None`` when :meth:`stop` ended it.

        Raises:
            TrainingError: the examples or the loss give nothing to send.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._do, work)

    def stop(self, plan: str) -> None:
        """End the work for a plan between two steps, or before it begins."""
        self._stopped.add(plan)

    def finish(self, plan: str) -> None:
        """End the work for a plan between two steps, with what was learnt until then."""
        self._finishing.add(plan)

    def close(self) -> None:
        """End what is running and the thread."""
        self._closed.set()
        self._executor.shutdown(cancel_futures=True)

    def _do(self, work: StartWork) -> Trained | Summed | None:
        plan = work.plan.plan
        try:
            if self._stops(plan):
                return None
            with self._open_trainer(work.mode) as trainer:
                return perform(
                    trainer, work, lambda: self._stops(plan), lambda: plan in self._finishing
                )
        finally:
            self._stopped.discard(plan)
            self._finishing.discard(plan)
            give_memory_back()

    def _stops(self, plan: str) -> bool:
        return self._closed.is_set() or plan in self._stopped


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
