"""A whole federation whose gateways are behind links that come and go, in virtual time.

Everything random comes from one seed, by one generator per party, so that a run replays exactly.
Faults are ordered through :attr:`LinkedFederation.queue`: at a time, let a party crash, take its
path down, crash the broker, or move a party's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.events import Event, RoundCommitted
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.model_blob import unpack_model
from edge_agent.journal import Journal
from models.normalisation import Normalisation
from perfuse.link.profiles import LinkProfile
from perfuse.simulation.aggregator_party import AggregatorParty
from perfuse.simulation.gateway_party import GatewayParty
from perfuse.simulation.labour import Labour
from perfuse.simulation.round_end import Ended, RoundEnd, RoundEnds, SimulationError
from perfuse.simulation.traits import Traits
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.faults import Faults
from perfuse.virtual.path import Path

# Where every clock begins: Unix seconds, for plans carry deadlines.
_EPOCH_S = 1_000_000.0
# Without a round's end for so long, or after so many abandoned ones, nothing will ever come of it.
_PATIENCE_S = 4 * 3600.0
_ABANDONED = 50


@dataclass(frozen=True, slots=True)
class LinkedRoundEnd(RoundEnd):
    """A round's end with what it took.

    Attributes:
        virtual_seconds: since the round before it ended.
        wire_uplink_bytes, wire_downlink_bytes: MQTT packets that the gateways' links carried,
            whether they arrived or not.
    """

    virtual_seconds: float
    wire_uplink_bytes: int
    wire_downlink_bytes: int


class LinkedFederation:
    """Many gateways, each behind a link, and one aggregator beside the broker.

    Args:
        settings: of the aggregator.
        task: what is trained.
        counts: gateway -> how many examples it has.
        labour: does what plans ask for.
        profile: the gateways' links; ``None`` is perfect.
        seed: of everything random.
        faults: what else happens to messages.
        patience_s: how long a round may take to open and to end.
        traits: of the gateways.
    """

    def __init__(
        self,
        settings: AggregatorSettings,
        task: Task,
        counts: dict[str, int],
        labour: Labour,
        profile: LinkProfile | None,
        seed: int,
        faults: Faults | None = None,
        patience_s: float = _PATIENCE_S,
        traits: Traits | None = None,
    ) -> None:
        self._traits = traits or Traits()
        self._settings = settings
        self._patience_s = patience_s
        self._task = task
        self._ends = RoundEnds()
        self._marks: tuple[float, int, int, int, int] = (0.0, 0, 0, 0, 0)
        self._log = RoundLog(":memory:", settings.population, task.artifact)
        self._journals: list[Journal] = []
        self.queue = EventQueue()
        self.broker = VirtualBroker(self.queue, faults)
        root = np.random.default_rng(seed)
        aggregator_rng, *gateway_rngs = root.spawn(1 + len(counts))
        self.aggregator = self._aggregator(aggregator_rng)
        self.gateways = {
            name: self._gateway(name, count, labour, profile, rng)
            for (name, count), rng in zip(counts.items(), gateway_rngs, strict=True)
        }

    def run(self, round_ended: Callable[[RoundEnd], None]) -> None:
        """Run all rounds, calling ``round_ended`` for each.

        Raises:
            SimulationError: no round can open or commit any more.
        """
        self.start()
        abandoned, last_s = 0, 0.0
        while not self.aggregator.finished:
            self.queue.step()
            for end in self.take_ended():
                round_ended(end)
                last_s = self.queue.now_s
                abandoned = 0 if end.committed else abandoned + 1
            if abandoned >= _ABANDONED:
                raise SimulationError(
                    f"{abandoned} rounds in a row were abandoned: "
                    "ask for fewer reports or give them more time"
                )
            if self.queue.now_s - last_s > self._patience_s:
                raise SimulationError(
                    "no round can open: too few gateways are there with enough examples"
                )

    def start(self) -> None:
        """Start every party."""
        self.aggregator.start()
        for gateway in self.gateways.values():
            gateway.start()

    def take_ended(self) -> list[LinkedRoundEnd]:
        """Return the rounds that have ended since the last time.

        Bytes are counted up to now: a version that is still on its way counts with the next round.
        """
        return [self._row(end) for end in self._ends.take()]

    def model(self) -> tuple[int, Normalisation, NDArray[np.float32]]:
        """Return the newest version, its normalisation and its float32[P] parameters."""
        version = self._log.latest_version()
        if version is None:
            raise SimulationError("there is no version yet")
        return unpack_model(self._log.blob(version), self._task.artifact, self._task.initial.size)

    def close(self) -> None:
        """Let go of the logs."""
        self._log.close()
        for journal in self._journals:
            journal.close()

    def _happened(self, event: Event) -> None:
        self._ends.happened(event, self.queue.now_s, self._log.latest_version())

    def _row(self, end: Ended) -> LinkedRoundEnd:
        parties = self.gateways.values()
        marks = (
            end.at_s,
            sum(party.sent_bytes for party in parties),
            sum(party.received_bytes for party in parties),
            sum(party.path.up.spent for party in parties),
            sum(party.path.down.spent for party in parties),
        )
        before, self._marks = self._marks, marks
        return LinkedRoundEnd(
            version=end.version,
            committed=isinstance(end.event, RoundCommitted),
            cohort=end.event.cohort,
            reported=end.event.reported,
            late=end.late,
            partial=end.partial,
            refused=end.refused,
            uplink_bytes=marks[1] - before[1],
            downlink_bytes=marks[2] - before[2],
            virtual_seconds=round(marks[0] - before[0], 3),
            wire_uplink_bytes=marks[3] - before[3],
            wire_downlink_bytes=marks[4] - before[4],
        )

    def _aggregator(self, rng: np.random.Generator) -> AggregatorParty:
        path_rng, link_rng = rng.spawn(2)
        return AggregatorParty(
            self.queue,
            self.broker,
            Path(self.queue, None, path_rng),
            PartyClock(self.queue, _EPOCH_S),
            link_rng,
            self._settings,
            self._task,
            self._log,
            self._happened,
        )

    def _gateway(
        self,
        name: str,
        count: int,
        labour: Labour,
        profile: LinkProfile | None,
        rng: np.random.Generator,
    ) -> GatewayParty:
        path_rng, link_rng = rng.spawn(2)
        settings, task = self._settings, self._task
        identity = self._traits.identity(settings, task, name)
        journal = Journal(":memory:", f"{settings.population}/{name}", task.artifact)
        self._journals.append(journal)
        return GatewayParty(
            self.queue,
            self.broker,
            Path(self.queue, profile, path_rng),
            PartyClock(self.queue, _EPOCH_S),
            link_rng,
            identity,
            journal,
            count,
            labour,
        )
