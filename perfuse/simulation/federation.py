"""A whole federation on the loopback broker: the services' cores, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.coordinator import Coordinator
from broker.aggregator.coordinator import Effect as AggregatorEffect
from broker.aggregator.events import RoundCommitted
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.loopback import LoopbackBroker
from broker.protocol.model_blob import unpack_model
from edge_agent.effects import Effect as GatewayEffect
from edge_agent.effects import StartWork
from edge_agent.journal import Journal
from edge_agent.participant import Participant
from models.normalisation import Normalisation
from perfuse.simulation.identities import session_of, signer_of
from perfuse.simulation.round_end import RoundEnd, RoundEnds, SimulationError
from perfuse.simulation.traits import Traits
from perfuse.simulation.workforce import Job, Result

_AGGREGATOR = "aggregator"
_TICK_S = 1.0
# So many ticks without any message or work: nothing will ever happen again.
_STUCK_TICKS = 10_000


class Federation:
    """Many gateways and one aggregator, with everything but the transport and the clock real.

    Args:
        settings: of the aggregator.
        task: what is trained.
        counts: gateway -> how many examples it has.
        perform: does jobs; results in the order of the jobs.
        traits: of the gateways.
    """

    def __init__(
        self,
        settings: AggregatorSettings,
        task: Task,
        counts: dict[str, int],
        perform: Callable[[list[Job]], list[Result | None]],
        traits: Traits | None = None,
    ) -> None:
        self._traits = traits or Traits()
        self._settings = settings
        self._task = task
        self._counts = counts
        self._perform = perform
        self._broker = LoopbackBroker()
        self._log = RoundLog(":memory:", settings.population, task.artifact)
        self._coordinator = Coordinator(settings, task, self._log, signer_of(_AGGREGATOR))
        self._gateways: dict[str, Participant] = {}
        self._journals: list[Journal] = []
        self._jobs: list[Job] = []
        self._ends = RoundEnds()
        self._now = 1_000_000.0
        self._counted = (0, 0)

    def run(self, round_ended: Callable[[RoundEnd], None]) -> None:
        """Run all rounds, calling ``round_ended`` for each.

        Raises:
            SimulationError: no round can open or commit any more.
        """
        self._connect()
        idle = 0
        while not (self._coordinator.finished and not len(self._ends)):
            self._broker.pump()
            for ended in self._take_ended():
                round_ended(ended)
                idle = 0
            if self._jobs:
                self._work()
            else:
                idle += 1
                self._tick()
            if idle > _STUCK_TICKS:
                raise SimulationError("no round can open: too few gateways have enough examples")

    def model(self) -> tuple[int, Normalisation, NDArray[np.float32]]:
        """Return the newest version, its normalisation and its float32[P] parameters."""
        version = self._log.latest_version()
        if version is None:
            raise SimulationError("there is no version yet")
        blob = self._log.blob(version)
        return unpack_model(blob, self._task.artifact, self._task.initial.size)

    def close(self) -> None:
        """Let go of the logs, and of the model with them."""
        self._log.close()
        for journal in self._journals:
            journal.close()

    def _connect(self) -> None:
        coordinator = self._coordinator
        self._broker.connect(
            _AGGREGATOR,
            lambda topic, payload: self._apply_aggregator(
                coordinator.receive(topic, payload, self._now)
            ),
            lambda token: None,
        )
        self._apply_aggregator(coordinator.connected())
        for name, count in self._counts.items():
            self._connect_gateway(name, count)

    def _connect_gateway(self, name: str, count: int) -> None:
        identity = self._traits.identity(self._settings, self._task, name)
        owner = f"{self._settings.population}/{name}"
        journal = Journal(":memory:", owner, self._task.artifact)
        self._journals.append(journal)
        gateway = Participant(identity, journal, signer_of(name), session_of(name, 0))
        self._gateways[name] = gateway
        self._broker.connect(
            name,
            lambda topic, payload: self._apply(name, gateway.receive(topic, payload, self._now)),
            lambda token: self._apply(name, gateway.published(token, self._now)),
        )
        self._apply(name, gateway.started())
        self._apply(name, gateway.examples(count, self._now))
        self._apply(name, gateway.connected(self._now))

    def _work(self) -> None:
        jobs, self._jobs = self._jobs, []
        for job, result in zip(jobs, self._perform(jobs), strict=True):
            name, work = job.gateway, job.work
            gateway = self._gateways[name]
            if result is None:
                self._apply(name, gateway.declined(work.plan, "stopped", self._now))
            else:
                self._apply(name, gateway.worked(work.plan, result, self._now))

    def _tick(self) -> None:
        self._now += _TICK_S
        self._apply_aggregator(self._coordinator.tick(self._now))
        for name, gateway in self._gateways.items():
            self._apply(name, gateway.tick(self._now))

    def _apply(self, name: str, effects: list[GatewayEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                self._broker.apply(name, effect)
            elif isinstance(effect, StartWork):
                self._jobs.append(Job(name, effect))

    def _apply_aggregator(self, effects: list[AggregatorEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                self._broker.apply(_AGGREGATOR, effect)
            else:
                self._ends.happened(effect, self._now, self._log.latest_version())

    def _take_ended(self) -> list[RoundEnd]:
        """Turn what ended since the last time into rows.

        Called when no message is under way: the new version has reached every gateway, so its
        bytes are counted with the round that made it.
        """
        rows = []
        for end in self._ends.take():
            sent = sum(self._broker.sent_bytes[name] for name in self._gateways)
            received = sum(self._broker.received_bytes[name] for name in self._gateways)
            before, self._counted = self._counted, (sent, received)
            event = end.event
            rows.append(
                RoundEnd(
                    end.version,
                    isinstance(event, RoundCommitted),
                    event.cohort,
                    event.reported,
                    end.late,
                    end.partial,
                    end.refused,
                    sent - before[0],
                    received - before[1],
                )
            )
        return rows
