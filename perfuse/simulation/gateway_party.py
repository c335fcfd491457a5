"""A gateway in virtual time: the agent's core, its journal and its work."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from edge_agent.effects import Effect, FinishWork, Identity, StartWork, StopWork
from edge_agent.errors import StorageError
from edge_agent.journal import Journal
from edge_agent.local_run import Trained
from edge_agent.participant import Participant
from edge_agent.trainer import Summed
from perfuse.simulation.identities import session_of
from perfuse.simulation.labour import Labour
from perfuse.simulation.party import STORAGE_RETRY_S, Killed, Party, Surroundings, VirtualUser
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.path import Path


class GatewayParty(Party):
    """One gateway.

    Args:
        queue, broker, path, clock, rng: where it lives; ``rng`` is of its link's backoff.
        identity: who it is.
        journal: its disk; closed by whoever made it.
        examples: how many it has.
        labour: does what plans ask for.
        surroundings: what the simulation decides.

    Attributes:
        sent_bytes, received_bytes: payloads that its core published and was given.
    """

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        path: Path,
        clock: PartyClock,
        rng: np.random.Generator,
        identity: Identity,
        journal: Journal,
        examples: int,
        labour: Labour,
        surroundings: Surroundings | None = None,
    ) -> None:
        super().__init__(queue, broker, path, clock, rng, surroundings)
        self._identity = identity
        self._journal = journal
        self._examples = examples
        self._labour = labour
        self._core: Participant | None = None
        self._stopped: set[str] = set()
        self._begun: dict[str, tuple[int, StartWork, float, float]] = {}
        self._try_again_at = math.inf
        self.sent_bytes = 0
        self.received_bytes = 0

    @property
    def name(self) -> str:
        """Of the gateway."""
        return self._identity.gateway

    def _start(self) -> None:
        session = session_of(self.name, self._life)
        core = Participant(self._identity, self._journal, self._around.signer(self.name), session)
        self._core = core
        now = self.clock.now
        user = VirtualUser(
            lambda: self._run(lambda: core.connected(now())),
            lambda: self._run(core.disconnected),
            lambda topic, payload: self._received(core, topic, payload),
            lambda token: self._run(lambda: core.published(token, now())),
        )
        self._open(self.name, core.will(), user)
        link = self._link
        self._run(core.started)
        self._run(lambda: core.examples(self._examples, now()))
        if link is not None and link is self._link:
            self._every(self._around.gateway_tick_s, lambda: self._tick(core))
            link.open()

    def _forget(self) -> None:
        self._core = None
        self._stopped.clear()
        self._begun.clear()
        self._try_again_at = math.inf

    def _tick(self, core: Participant) -> None:
        self._run(lambda: core.tick(self.clock.now()))
        if self._queue.now_s >= self._try_again_at:
            self._try_again_at = math.inf
            self._run(lambda: core.again(self.clock.now()))

    def _received(self, core: Participant, topic: str, payload: bytes) -> None:
        self.received_bytes += len(payload)
        self._run(lambda: core.receive(topic, payload, self.clock.now()))

    def _run(self, call: Callable[[], list[Effect]]) -> None:
        self._ran(call)

    def _ran(self, call: Callable[[], list[Effect]]) -> bool:
        """Do what the core wants; ``False`` if it could not write, or has died of it."""
        try:
            self._apply(call())
        except Killed as killed:
            self.crash(killed.down_s, killed.ending)
            return False
        except StorageError:
            self._try_again_at = self._queue.now_s + STORAGE_RETRY_S
            return False
        return True

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._around.watch(self.name, effect)
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                self._send(effect)
            elif isinstance(effect, StartWork):
                self._work(effect)
            elif isinstance(effect, StopWork):
                self._stopped.add(effect.plan)
            elif isinstance(effect, FinishWork):
                self._finish(effect.plan)

    def _send(self, effect: Publish | Subscribe | Unsubscribe) -> None:
        if self._link is None:
            return
        if isinstance(effect, Publish):
            self.sent_bytes += len(effect.payload)
        self._link.apply(effect)

    def _work(self, work: StartWork) -> None:
        life = self._life
        ticket = self._labour.begin(self.name, work)
        seconds = self._labour.seconds(self._examples, work)
        self._begun[work.plan.plan] = (ticket, work, self._queue.now_s, seconds)
        self._queue.after(seconds, lambda: self._worked(life, ticket, work))

    def _finish(self, plan: str) -> None:
        """Hand in what was learnt so far."""
        core, found = self._core, self._begun.pop(plan, None)
        if core is None or found is None:
            return
        ticket, work, since_s, seconds = found
        share = (self._queue.now_s - since_s) / seconds if seconds else 1.0
        result = self._labour.cut(ticket, min(share, 1.0))
        self._stopped.add(plan)  # what comes when its whole time is up
        if result is None:
            self._run(lambda: core.declined(work.plan, "no step was done", self.clock.now()))
        else:
            self._hand_in(self._life, core, work, result)

    def _worked(self, life: int, ticket: int, work: StartWork) -> None:
        plan = work.plan
        core = self._core
        self._begun.pop(plan.plan, None)
        if life != self._life or core is None or plan.plan in self._stopped:
            self._labour.drop(ticket)
            self._stopped.discard(plan.plan)
            return
        result = self._labour.result(ticket)
        if result is None:
            self._run(lambda: core.declined(plan, "stopped", self.clock.now()))
        else:
            self._hand_in(life, core, work, result)

    def _hand_in(
        self, life: int, core: Participant, work: StartWork, result: Trained | Summed
    ) -> None:
        """Give the core a result, again and again while the disk is full and the process lives."""
        worked = lambda: core.worked(work.plan, result, self.clock.now())  # noqa: E731
        if life != self._life or self._ran(worked):
            return
        again = lambda: self._hand_in(life, core, work, result)  # noqa: E731
        self._queue.after(STORAGE_RETRY_S, again)
