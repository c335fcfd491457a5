"""Which gateways the next round asks, and for what."""

from __future__ import annotations

import numpy as np

from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round, RoundState
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.messages import MAX_COHORT, Plan, PlanKind
from broker.protocol.statistics import STATISTICS_CODEC
from broker.protocol.transfer import refer


class Planner:
    """Draws cohorts by the seed and writes their plans."""

    def __init__(self, settings: AggregatorSettings, task: Task, log: RoundLog) -> None:
        self._settings = settings
        self._task = task
        self._log = log

    def next_round(self, ready: list[str], now: float) -> Round | None:
        """Return the next round for the gateways that are ready; ``None`` when they are few."""
        rounds = self._settings.rounds
        if len(ready) < rounds.min_gateways:
            return None
        last = self._log.last_round()
        number = 1 if last is None else last.number + 1
        generator = np.random.default_rng((self._settings.seed, number))
        if (cohort := rounds.cohort or MAX_COHORT) < len(ready):
            ready = sorted(generator.choice(ready, cohort, replace=False).tolist())
        plan = self._plan(number, tuple(ready), now)
        return Round(number, plan, min(rounds.min_reports, len(ready)), RoundState.OPEN)

    def _plan(self, number: int, cohort: tuple[str, ...], now: float) -> Plan:
        settings, training = self._settings, self._settings.training
        version = self._log.latest_version()
        kind = PlanKind.STATISTICS if version is None else PlanKind.TRAIN
        blob = None if version is None else self._log.blob(version)
        return Plan(
            epoch=self._log.next_counter("epoch"),
            plan=f"{settings.population[:40]}.{number}",
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
        )
