"""Which gateways the next round asks, and for what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from broker.aggregator.admission import further, seed_of
from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round, RoundState
from broker.aggregator.scheduler import backoff_s, selection
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.cohort import Cohort
from broker.protocol.messages import Plan, PlanKind
from broker.protocol.statistics import STATISTICS_CODEC
from broker.protocol.transfer import refer

_GRACE_S = 60.0


class Planner:
    """Draws cohorts by the seed and writes their plans.

    ``began_ms`` is when this process began, as :mod:`~broker.aggregator.coordinator` has it.
    """

    def __init__(
        self, settings: AggregatorSettings, task: Task, log: RoundLog, began_ms: int = 0
    ) -> None:
        self._settings = settings
        self._task = task
        self._log = log
        # Restored from a backup, a log would number other plans as some that it has forgotten.
        life = f".{began_ms:x}" if began_ms else ""
        self._prefix = f"{settings.population[:36]}{life}"

    def _backs_off(self, now: float) -> bool:
        """Whether the last round was abandoned so recently that none opens yet."""
        last = self._log.last_round()
        if last is None or not (wait_s := self.retry_after_s()):
            return False
        deadline = last.plan.deadline_unix_s
        # Before the round began it cannot be: the clock has been set back, and the wait with it.
        return deadline - self._settings.rounds.deadline_s <= now < deadline + wait_s

    def retry_after_s(self) -> float:
        """Return how long after the round that has just been abandoned the next may open."""
        return backoff_s(self._log.abandoned_in_a_row(), self._settings.rounds.backoff_s)

    def next_round(self, ready: list[str], now: float) -> Round | None:
        """Return the next round for the gateways that are ready; ``None`` when they are few."""
        if not ready or self._backs_off(now):
            return None
        carried = set(self._log.carried())
        if len(ready) + len(carried) < self._settings.rounds.min_gateways:
            return None
        ready = [gateway for gateway in ready if gateway not in carried]
        kind = PlanKind.STATISTICS if self._log.latest_version() is None else PlanKind.TRAIN
        chosen = selection(self._settings.rounds, kind, len(ready), len(carried))
        if chosen is None:
            return None
        last = self._log.last_round()
        number = 1 if last is None else last.number + 1
        if chosen.ask < len(ready):
            generator = np.random.default_rng((self._settings.seed, number))
            ready = sorted(generator.choice(ready, chosen.ask, replace=False).tolist())
        plan = self._plan(number, Cohort.of(ready), now)
        return Round(number, plan, chosen.minimum, RoundState.OPEN, chosen.goal)

    def with_time(self, round_: Round, now: float) -> Round | None:
        """Return a round that was open at a restart with a deadline that it can keep.

        The time that the aggregator was away is not the gateways' fault, and its clock may have
        been set meanwhile. ``None`` where the deadline is good as it is.
        """
        most = self._settings.rounds.deadline_s
        least = min(_GRACE_S, most)
        left = round_.plan.deadline_unix_s - now
        if least <= left <= most:
            return None
        deadline = now + min(max(left, least), most)
        epoch = self._log.next_counter("epoch")
        plan = replace(round_.plan, deadline_unix_s=deadline, epoch=epoch)
        return replace(round_, plan=plan)

    def oldest(self, kind: PlanKind, version: int) -> int:
        """Return the oldest base of updates that count now that a round has made ``version``."""
        if kind is PlanKind.STATISTICS:
            return version + 1  # sums are of no base, and are in
        return version - self._settings.rounds.staleness_cap

    def further(self, plan: Plan, number: int, gateway: str) -> Plan:
        """Return the ``number``-th plan for one gateway that goes on in the open round."""
        name = further(plan.plan, number)
        epoch = self._log.next_counter("epoch")
        cohort = Cohort.of((gateway,))
        return replace(plan, epoch=epoch, plan=name, cohort=cohort, seed=seed_of(plan, name))

    def _plan(self, number: int, cohort: Cohort, now: float) -> Plan:
        settings, training = self._settings, self._settings.training
        version = self._log.latest_version()
        kind = PlanKind.STATISTICS if version is None else PlanKind.TRAIN
        blob = None if version is None else self._log.blob(version)
        steps = [] if version is None else self._log.steps(version)
        return Plan(
            epoch=self._log.next_counter("epoch"),
            plan=f"{self._prefix}.{number}",
            kind=kind,
            artifact=self._task.artifact,
            version=version or 0,
            model=None if blob is None else refer(blob, settings.chunk_bytes),
            cohort=cohort,
            codec=STATISTICS_CODEC if version is None else training.codec,
            training=training.plan(version or 0, settings.rounds.rounds),
            min_examples=settings.rounds.min_examples,
            deadline_unix_s=now + settings.rounds.deadline_s,
            seed=(settings.seed * 1_000_003 + number) % 2**63,
            staleness_cap=settings.rounds.staleness_cap,
            links=() if version is None else training.link_codecs(),
            deltas=tuple(step.reference(settings.chunk_bytes) for step in steps),
        )
