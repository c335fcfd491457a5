"""The federation's parties in virtual time: the services' cores, a link each, and what kills them.

What a party holds in memory dies with a crash; its log or journal stays, as a disk would. A party
that cannot write does what its service does: it tries again, or does not start.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from broker.aggregator.coordinator import Coordinator
from broker.aggregator.coordinator import Effect as AggregatorEffect
from broker.aggregator.events import Event
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.signing import Signer
from edge_agent.effects import Effect, FinishWork, Identity, StartWork, StopWork
from edge_agent.errors import StorageError
from edge_agent.journal import Journal
from edge_agent.local_run import Trained
from edge_agent.participant import Participant
from edge_agent.trainer import Summed
from perfuse.link.timeline import Ending
from perfuse.simulation.identities import session_of, signer_of
from perfuse.simulation.labour import Labour
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.link import VirtualLink
from perfuse.virtual.path import Path

# As the services do: ticks, the wait after a disk that was full, and systemd's RestartSec.
_GATEWAY_TICK_S = 1.0
_AGGREGATOR_TICK_S = 0.5
_STORAGE_RETRY_S = 30.0
_RESTART_S = 5.0


class Killed(BaseException):
    """The process ends here, in the middle of what it was doing; raised by who watches a party."""

    def __init__(self, down_s: float, ending: Ending = Ending.RESET) -> None:
        super().__init__(down_s, ending)
        self.down_s = down_s
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a simulation decides about its parties.

    Attributes:
        signer: of a party's key, by the party's name.
        watch: shown every effect of a party's core, by the party's name, before it is done; may
            raise :class:`Killed`.
        partial: cuts a result down to a share of its steps, for work that must be handed in early;
            without it such work goes on.
        gateway_tick_s, aggregator_tick_s: how often time passes for a core.
    """

    signer: Callable[[str], Signer] = signer_of
    watch: Callable[[str, object], None] = lambda party, effect: None
    partial: Callable[[Trained | Summed, float], Trained | Summed] | None = None
    gateway_tick_s: float = _GATEWAY_TICK_S
    aggregator_tick_s: float = _AGGREGATOR_TICK_S


class _Party:
    """What both kinds share: a link that is made at each start, a tick, and a death."""

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        path: Path,
        clock: PartyClock,
        rng: np.random.Generator,
        surroundings: Surroundings | None,
    ) -> None:
        self._around = surroundings or Surroundings()
        self._queue = queue
        self._broker = broker
        self._rng = rng
        self._link: VirtualLink | None = None
        self._life = 0
        self._waits = False
        self.path = path
        self.clock = clock

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._link is not None

    @property
    def life(self) -> int:
        """How often it has died."""
        return self._life

    def start(self) -> None:
        """Start, or start again from what is on disk."""
        try:
            self._start()
        except Killed as killed:
            self.crash(killed.down_s, killed.ending)
        except (StorageError, sqlite3.OperationalError):
            self.crash(_RESTART_S)

    def _start(self) -> None:
        raise NotImplementedError

    def crash(self, down_s: float, ending: Ending = Ending.RESET) -> None:
        """SIGKILL (RESET) or a power cut (SILENT); it is started again after ``down_s``."""
        if self._link is not None:
            self._link.crash(ending)
        elif self._waits:
            return
        self._link = None
        self._waits = True
        self._life += 1
        self._forget()
        self._queue.after(down_s, self._start_again)

    def _start_again(self) -> None:
        self._waits = False
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
            self._try_again_at = self._queue.now_s + _STORAGE_RETRY_S
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
        core, partial = self._core, self._around.partial
        found = self._begun.pop(plan, None)
        if core is None or partial is None or found is None:
            return
        ticket, work, since_s, seconds = found
        share = (self._queue.now_s - since_s) / seconds if seconds else 1.0
        result = self._labour.result(ticket)
        self._stopped.add(plan)  # what comes when its whole time is up
        if result is not None and share > 0:
            self._hand_in(self._life, core, work, partial(result, min(share, 1.0)))

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
        """Give the core a result, again and again while the disk is full."""
        if self._ran(lambda: core.worked(work.plan, result, self.clock.now())):
            return
        if life == self._life:
            again = lambda: self._hand_in(life, core, work, result)  # noqa: E731
            self._queue.after(_STORAGE_RETRY_S, again)


class AggregatorParty(_Party):
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
