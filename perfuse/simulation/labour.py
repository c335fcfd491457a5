"""Work in virtual time: done when its time is up, many gateways' at once when they overlap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from broker.protocol.messages import PlanKind
from edge_agent.effects import StartWork
from perfuse.simulation.workforce import Job, Result


class Labour:
    """Hands jobs out as late as possible, so that several processes share those that overlap.

    Args:
        perform: does jobs; results in the order of the jobs. They depend on the jobs alone.
        batch_size: examples in a training step.
        step_ms: what a step takes on a gateway.
    """

    def __init__(
        self,
        perform: Callable[[list[Job]], list[Result | None]],
        batch_size: int,
        step_ms: float,
    ) -> None:
        self._perform = perform
        self._batch_size = batch_size
        self._step_ms = step_ms
        self._tickets = count()
        self._jobs: dict[int, Job] = {}
        self._results: dict[int, Result | None] = {}

    def seconds(self, examples: int, work: StartWork) -> float:
        """Return how long work takes: its steps. Adding up statistics is nothing to that."""
        if work.plan.kind is PlanKind.STATISTICS:
            return 0.0
        steps = work.plan.training.local_epochs * -(-examples // self._batch_size)
        return steps * self._step_ms / 1000

    def begin(self, gateway: str, work: StartWork) -> int:
        """Take a job; returns what to ask for its result with."""
        ticket = next(self._tickets)
        self._jobs[ticket] = Job(gateway, work)
        return ticket

    def result(self, ticket: int) -> Result | None:
        """Return a job's result, doing all that are open when it is not done."""
        if ticket not in self._results:
            jobs = {t: job for t, job in self._jobs.items() if t not in self._results}
            self._results |= zip(jobs, self._perform(list(jobs.values())), strict=True)
        del self._jobs[ticket]
        return self._results.pop(ticket)

    def cut(self, ticket: int, share: float) -> Result | None:
        """Return what a job has learnt in a share of its time; ``None`` is nothing.

        It may have been done whole already, with others that were due.
        """
        job = self._jobs[ticket]
        self.drop(ticket)
        if share <= 0:
            return None
        (result,) = self._perform([replace(job, share=share)])
        return result

    def drop(self, ticket: int) -> None:
        """Nobody wants it any more."""
        self._jobs.pop(ticket, None)
        self._results.pop(ticket, None)
