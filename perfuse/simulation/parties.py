"""The federation's parties in virtual time: the services' cores, a link each, and what kills them.

What a party holds in memory dies with a crash; its log or journal stays, as a disk would.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from broker.aggregator.coordinator import Coordinator
from broker.aggregator.coordinator import Effect as AggregatorEffect
from broker.aggregator.events import Event
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from edge_agent.effects import Effect, Identity, StartWork, StopWork
from edge_agent.journal import Journal
from edge_agent.participant import Participant
from perfuse.link.timeline import Ending
from perfuse.simulation.identities import session_of, signer_of
from perfuse.simulation.labour import Labour
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.link import VirtualLink
from perfuse.virtual.path import Path

# As the services tick.
_GATEWAY_TICK_S = 1.0
_AGGREGATOR_TICK_S = 0.5


class _Party:
    """What both kinds share: a link that is made at each start, a tick, and a death."""

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        path: Path,
        clock: PartyClock,
        rng: np.random.Generator,
    ) -> None:
        self._queue = queue
        self._broker = broker
        self._rng = rng
        self._link: VirtualLink | None = None
        self._life = 0
        self.path = path
        self.clock = clock

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._link is not None

    def start(self) -> None:
        """Start, or start again from what is on disk."""
        raise NotImplementedError

    def crash(self, down_s: float, ending: Ending = Ending.RESET) -> None:
        """SIGKILL (RESET) or a power cut (SILENT); it is started again after ``down_s``."""
        if self._link is None:
            return
        self._link.crash(ending)
        self._link = None
        self._life += 1
        self._forget()
        self._queue.after(down_s, self._start_again)

    def _start_again(self) -> None:
        if self._link is None:
            self.start()

    def _forget(self) -> None:
        raise NotImplementedError

    def _open(self, client: str, will: Publish, user: VirtualUser) -> None:
        self._link = VirtualLink(
            self._queue, self._broker, self.path, client, will, user, self._rng
        )

    def _every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again for as long as this life lasts."""
        life = self._life

        def again() -> None:
            if self._life == life:
                call()
                self._queue.after(seconds, again)

        self._queue.after(seconds, again)


class VirtualUser:
    """Hands what a link says to a party, for as long as that lives."""

    def __init__(
        self,
        connected: Callable[[], None],
        disconnected: Callable[[], None],
        received: Callable[[str, bytes], None],
        published: Callable[[str], None],
    ) -> None:
        self.connected = connected
        self.disconnected = disconnected
        self.received = received
        self.published = published


class GatewayParty(_Party):
    """One gateway.

    Args:
        queue, broker, path, clock, rng: where it lives; ``rng`` is of its link's backoff.
        identity: who it is.
        journal: its disk; closed by whoever made it.
        examples: how many it has.
        labour: does what plans ask for.

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
    ) -> None:
        super().__init__(queue, broker, path, clock, rng)
        self._identity = identity
        self._journal = journal
        self._examples = examples
        self._labour = labour
        self._core: Participant | None = None
        self._stopped: set[str] = set()
        self.sent_bytes = 0
        self.received_bytes = 0

    def start(self) -> None:
        """See :class:`_Party`."""
        gateway = self._identity.gateway
        session = session_of(gateway, self._life)
        core = Participant(self._identity, self._journal, signer_of(gateway), session)
        self._core = core
        now = self.clock.now
        user = VirtualUser(
            lambda: self._apply(core.connected(now())),
            lambda: self._apply(core.disconnected()),
            lambda topic, payload: self._received(core, topic, payload),
            lambda token: self._apply(core.published(token, now())),
        )
        self._open(self._identity.gateway, core.will(), user)
        self._apply(core.started())
        self._apply(core.examples(self._examples, now()))
        self._every(_GATEWAY_TICK_S, lambda: self._apply(core.tick(now())))
        assert self._link is not None
        self._link.open()

    def _forget(self) -> None:
        self._core = None
        self._stopped.clear()

    def _received(self, core: Participant, topic: str, payload: bytes) -> None:
        self.received_bytes += len(payload)
        self._apply(core.receive(topic, payload, self.clock.now()))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                self._send(effect)
            elif isinstance(effect, StartWork):
                self._work(effect)
            elif isinstance(effect, StopWork):
                self._stopped.add(effect.plan)

    def _send(self, effect: Publish | Subscribe | Unsubscribe) -> None:
        if self._link is None:
            return
        if isinstance(effect, Publish):
            self.sent_bytes += len(effect.payload)
        self._link.apply(effect)

    def _work(self, work: StartWork) -> None:
        life = self._life
        ticket = self._labour.begin(self._identity.gateway, work)
        seconds = self._labour.seconds(self._examples, work)
        self._queue.after(seconds, lambda: self._worked(life, ticket, work))

    def _worked(self, life: int, ticket: int, work: StartWork) -> None:
        plan = work.plan
        core = self._core
        if life != self._life or core is None or plan.plan in self._stopped:
            self._labour.drop(ticket)
            self._stopped.discard(plan.plan)
            return
        result = self._labour.result(ticket)
        now = self.clock.now()
        if result is None:
            self._apply(core.declined(plan, "stopped", now))
        else:
            self._apply(core.worked(plan, result, now))


class AggregatorParty(_Party):
    """The aggregator.

    Args:
        queue, broker, path, clock, rng: where it lives.
        settings, task: what it aggregates.
        log: its disk; closed by whoever made it.
        happened: called with what its core says of itself.
    """

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
    ) -> None:
        super().__init__(queue, broker, path, clock, rng)
        self._settings = settings
        self._task = task
        self._log = log
        self._happened = happened
        self._core: Coordinator | None = None

    @property
    def finished(self) -> bool:
        """Whether every round that was asked for is committed."""
        return self._core is not None and self._core.finished

    def start(self) -> None:
        """See :class:`_Party`."""
        core = Coordinator(self._settings, self._task, self._log, signer_of("aggregator"))
        self._core = core
        now = self.clock.now
        user = VirtualUser(
            lambda: self._apply(core.connected()),
            lambda: None,
            lambda topic, payload: self._apply(core.receive(topic, payload, now())),
            lambda token: None,
        )
        self._open("aggregator", core.will(), user)
        self._every(_AGGREGATOR_TICK_S, lambda: self._apply(core.tick(now())))
        assert self._link is not None
        self._link.open()

    def _forget(self) -> None:
        self._core = None

    def _apply(self, effects: list[AggregatorEffect]) -> None:
        for effect in effects:
            if not isinstance(effect, Publish | Subscribe | Unsubscribe):
                self._happened(effect)
            elif self._link is not None:
                self._link.apply(effect)
