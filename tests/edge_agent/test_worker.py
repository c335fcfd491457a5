"""Plans done one at a time off the loop, and stopped when they should be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from broker.protocol.cohort import Cohort
from broker.protocol.messages import BlobReference, Plan, PlanKind, TrainingPlan
from edge_agent.effects import Model, StartWork
from edge_agent.errors import TrainingError
from edge_agent.trainer import Summed, Trained
from edge_agent.worker import Worker
from models.normalisation import Normalisation

LIMIT_S = 20.0
MODEL = Model(b"d" * 32, 0, Normalisation((0.0,), (1.0,)), np.zeros(3, np.float32))
RESULT = Trained(np.ones(3, np.float32), 5, 0.5, 4)


def work(number: int = 1, kind: PlanKind = PlanKind.TRAIN) -> StartWork:
    trains = kind is PlanKind.TRAIN
    plan = Plan(
        number,
        f"ward.{number}",
        kind,
        b"a" * 32,
        0,
        BlobReference(b"d" * 32, 1, 1) if trains else None,
        Cohort.of(("g1",)),
        "q8",
        TrainingPlan(1, 0.1, 0.9, 0.0),
        1,
        2e6,
        7,
    )
    return StartWork(plan, MODEL if trains else None, (7, 9))


class Steps:
    """A trainer whose steps wait for the test, and which says when it is in one."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.begun: list[str] = []
        self.seeds: list[float] = []
        self.step = threading.Event()
        self.may_go = threading.Event()
        self.enough: list[Callable[[], bool]] = []
        self.error: Exception | None = None

    @contextmanager
    def open(self, mode: object = None) -> Iterator[Any]:
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    def train(
        self,
        plan: Plan,
        base: Any,
        normalisation: Any,
        generator: Any,
        stopped: Any,
        correction: Any,
        enough: Callable[[], bool],
    ) -> Any:
        assert correction is None
        self.begun.append(plan.plan)
        self.enough.append(enough)
        self.seeds.append(generator.random())
        self.step.set()
        assert self.may_go.wait(LIMIT_S)
        if self.error is not None:
            raise self.error
        return None if stopped() else RESULT

    def sum(self, plan: Plan) -> Summed:
        return Summed(np.ones(3), 5)

    async def in_step(self) -> None:
        assert await asyncio.to_thread(self.step.wait, LIMIT_S)
        self.step.clear()


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def worker(steps: Steps) -> Iterator[Worker]:
    worker = Worker(steps.open)
    yield worker
    steps.may_go.set()
    worker.close()


def test_work_is_done_off_the_loop_with_its_own_seed(worker: Worker, steps: Steps) -> None:
    async def scenario() -> None:
        task = worker.run(work())
        await steps.in_step()
        # The loop goes on while the step waits.
        assert not task.done()
        steps.may_go.set()
        assert await task is RESULT

    asyncio.run(scenario())
    assert steps.seeds == [np.random.default_rng((7, 9)).random()]
    assert (steps.opened, steps.closed) == (1, 1)


def test_a_statistics_plan_is_summed(worker: Worker) -> None:
    async def scenario() -> None:
        assert isinstance(await worker.run(work(kind=PlanKind.STATISTICS)), Summed)

    asyncio.run(scenario())


def test_errors_come_out_and_the_next_plan_is_done(worker: Worker, steps: Steps) -> None:
    async def scenario() -> None:
        steps.may_go.set()
        steps.error = TrainingError("3 examples")
        with pytest.raises(TrainingError):
            await worker.run(work())
        steps.error = None
        assert await worker.run(work(2)) is RESULT

    asyncio.run(scenario())
    assert steps.closed == 2


def test_what_is_stopped_ends_with_nothing(worker: Worker, steps: Steps) -> None:
    async def scenario() -> None:
        task = worker.run(work(1))
        await steps.in_step()
        worker.stop("ward.7")
        worker.stop("ward.1")
        steps.may_go.set()
        assert await task is None
        assert await worker.run(work(2)) is RESULT

    asyncio.run(scenario())


def test_what_waits_is_stopped_before_it_begins(worker: Worker, steps: Steps) -> None:
    async def scenario() -> None:
        tasks = [worker.run(work(n)) for n in (1, 2, 3)]
        await steps.in_step()
        worker.stop("ward.2")
        steps.may_go.set()
        assert await asyncio.gather(*tasks) == [RESULT, None, RESULT]

    asyncio.run(scenario())
    assert steps.begun == ["ward.1", "ward.3"]


def test_what_was_stopped_too_late_is_done_when_it_is_taken_up_again(
    worker: Worker, steps: Steps
) -> None:
    async def scenario() -> None:
        steps.may_go.set()
        task = worker.run(work())
        await steps.in_step()
        assert await task is RESULT
        worker.stop("ward.1")
        assert await worker.run(work()) is RESULT

    asyncio.run(scenario())


def test_a_plan_may_be_taken_up_again_while_the_stopped_run_ends(
    worker: Worker, steps: Steps
) -> None:
    async def scenario() -> None:
        first = worker.run(work())
        await steps.in_step()
        worker.stop("ward.1")
        again = worker.run(work())
        await asyncio.sleep(0)
        steps.may_go.set()
        assert await asyncio.gather(first, again) == [None, RESULT]

    asyncio.run(scenario())


def test_work_that_was_finished_early_leaves_the_next_alone(worker: Worker, steps: Steps) -> None:
    async def scenario() -> None:
        steps.may_go.set()
        early = worker.run(work())
        worker.finish("ward.1")
        assert [await early, await worker.run(work())] == [RESULT, RESULT]
        assert [enough() for enough in steps.enough] == [True, False]

    asyncio.run(scenario())


def test_closing_ends_what_runs_and_never_begins_what_waits(worker: Worker, steps: Steps) -> None:
    async def scenario() -> None:
        tasks = [worker.run(work(n)) for n in (1, 2)]
        await steps.in_step()
        closing = asyncio.create_task(asyncio.to_thread(worker.close))
        # Closing waits for the step, and says to stop before it does.
        while not worker._closed.is_set():
            await asyncio.sleep(0)
        steps.may_go.set()
        await closing
        first, second = await asyncio.gather(*tasks, return_exceptions=True)
        assert first is None
        assert isinstance(second, asyncio.CancelledError)

    asyncio.run(scenario())
    assert steps.begun == ["ward.1"]
