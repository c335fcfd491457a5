"""The aggregator in virtual time: its core and its round log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import numpy as np

from broker.aggregator.coordinator import Coordinator
from broker.aggregator.coordinator import Effect as AggregatorEffect
from broker.aggregator.events import Event
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from perfuse.simulation.party import Killed, Party, Surroundings, VirtualUser
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.path import Path


class AggregatorParty(Party):
    """The aggregator.

    Args:
        queue, broker, path, clock, rng: where it lives.
        settings, task: what it aggregates.
        log: its disk; closed by whoever made it.
        happened: called with what its core says of itself.
        surroundings: what the simulation decides.
    """

    name = "aggregator"

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        path: Path,
        clock: PartyClock,
        rng: np.random.Generator,
        settings: AggregatorSettings,
        task: Task,
        log: RoundLog,
        happened: Callable[[Event], None],
        surroundings: Surroundings | None = None,
    ) -> None:
        super().__init__(queue, broker, path, clock, rng, surroundings)
        self._settings = settings
        self._task = task
        self._log = log
        self._happened = happened
        self._core: Coordinator | None = None
        self._unsaid = False

    @property
    def finished(self) -> bool:
        """Whether every round that was asked for is committed."""
        return self._core is not None and self._core.finished

    @property
    def core(self) -> Coordinator | None:
        """What runs, while it does."""
        return self._core

    def _start(self) -> None:
        signer = self._around.signer(self.name)
        core = Coordinator(self._settings, self._task, self._log, signer)
        self._core = core
        now = self.clock.now
        user = VirtualUser(
            lambda: self._connected(core),
            lambda: None,
            lambda topic, payload: self._run(lambda: core.receive(topic, payload, now())),
            lambda token: None,
        )
        self._open(self.name, core.will(), user)
        self._every(self._around.aggregator_tick_s, lambda: self._tick(core))
        assert self._link is not None
        self._link.open()

    def _forget(self) -> None:
        self._core = None
        self._unsaid = False

    def _tick(self, core: Coordinator) -> None:
        self._run(lambda: core.tick(self.clock.now()))
        if self._unsaid and self._core is core:
            self._connected(core)

    def _connected(self, core: Coordinator) -> None:
        self._unsaid = not self._ran(core.connected)

    def _run(self, call: Callable[[], list[AggregatorEffect]]) -> None:
        self._ran(call)

    def _ran(self, call: Callable[[], list[AggregatorEffect]]) -> bool:
        """Do what the core wants; ``False`` if it could not write, or has died of it."""
        try:
            self._apply(call())
        except Killed as killed:
            self.crash(killed.down_s, killed.ending)
            return False
        except sqlite3.OperationalError:
            return False
        return True

    def _apply(self, effects: list[AggregatorEffect]) -> None:
        for effect in effects:
            self._around.watch(self.name, effect)
            if not isinstance(effect, Publish | Subscribe | Unsubscribe):
                self._happened(effect)
            elif self._link is not None:
                self._link.apply(effect)
