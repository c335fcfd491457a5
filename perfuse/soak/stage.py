"""One run: the parties of a scenario, its faults, and the ledger that watches them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from broker.aggregator.events import Event
from broker.aggregator.task import Task
from broker.protocol import cose, sealed, wire
from broker.protocol.effects import Publish
from broker.protocol.messages import (
    ClockNotice,
    IdentityConflict,
    ModelAnnouncement,
    Plan,
    Receipt,
    Want,
)
from broker.protocol.signing import Signer
from broker.protocol.topics import Topics
from edge_agent.effects import Identity, Install, Note, StartWork
from edge_agent.trainer import Summed, Trained
from models.normalisation import Normalisation
from perfuse.link.profiles import PROFILES
from perfuse.simulation.aggregator_party import AggregatorParty
from perfuse.simulation.gateway_party import GatewayParty
from perfuse.simulation.identities import signer_of
from perfuse.simulation.labour import Labour
from perfuse.simulation.party import Surroundings
from perfuse.simulation.workforce import Job, Result
from perfuse.soak.ledger import Ledger
from perfuse.soak.quick_signer import QuickSigner
from perfuse.soak.reach import reachable_bytes
from perfuse.soak.scenario import POPULATION, Scenario
from perfuse.soak.schedule import AGGREGATOR, Fault
from perfuse.soak.strike import Disk, Striker
from perfuse.soak.trace import Trace
from perfuse.soak.tripwire import Tripwire
from perfuse.soak.violation import Invariant, require
from perfuse.soak.watched import WatchedJournal, WatchedRoundLog
from perfuse.soak.work import CHANNELS, declines, delta_of, sums_of
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.faults import RandomFaults
from perfuse.virtual.path import Path

_EPOCH_S = 1_000_000.0
_ARTIFACT = hashlib.sha256(b"soak").digest()
_BATCH = 32
# Without a round's end for so long nothing will come of it; an upload's longest wait is minutes.
_PATIENCE_S = 2 * 3600.0
_LOOK_S = 10.0
# What the aggregator may hold: the code's own, a few vectors of the model, and a gateway's entry
# in the roster with its offer, however large its update is.
_OWN_BYTES = 64 * 1024
_VECTORS = 6
_GATEWAY_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Played:
    """What a run that went well has done.

    Attributes:
        digest: of every happening; the same scenario gives the same one.
        happenings: how many there were.
        virtual_s: how long it took in the federation's time.
        counts: how often what happened.
        memory_bytes: the most that the aggregator's core held.
    """

    digest: str
    happenings: int
    virtual_s: float
    counts: dict[str, int]
    memory_bytes: int


_REPLIES = (Want, Receipt, Plan, ClockNotice, IdentityConflict)


class Stage:
    """A scenario's federation. Play it once."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._queue = EventQueue(np.random.default_rng((scenario.seed, 1)))
        self.trace = Trace(lambda: self._queue.now_s)
        known = None if scenario.statistics else Normalisation((0.0, 1.0), (1.0, 2.0))
        initial = np.zeros(scenario.parameters, np.float32)
        self._task = Task(_ARTIFACT, initial, CHANNELS, known)
        self._ledger = Ledger(scenario, self._task, self.trace)
        self._topics = Topics(POPULATION)
        root = np.random.default_rng((scenario.seed, 2))
        message_rng, *party_rngs = root.spawn(2 + len(scenario.gateways))
        messages = RandomFaults(
            message_rng,
            late=scenario.late,
            late_s=scenario.late_s,
            duplicate=scenario.duplicate,
        )
        self._broker = VirtualBroker(self._queue, messages)
        self._tripwires = {name: Tripwire() for name in (AGGREGATOR, *scenario.gateways)}
        self._lives: dict[str, int] = {}
        self._memory_bytes = 0
        around = Surroundings(self._signer, self._watch, scenario.tick_s)
        self._log = WatchedRoundLog(
            _ARTIFACT, self._ledger, self._tripwires[AGGREGATOR], self._round_ends
        )
        self._journals: dict[str, WatchedJournal] = {}
        self._aggregator = self._make_aggregator(party_rngs[0], around)
        self._parties: dict[str, AggregatorParty | GatewayParty] = {AGGREGATOR: self._aggregator}
        labour = Labour(self._perform, _BATCH, scenario.step_ms)
        for name, rng in zip(scenario.gateways, party_rngs[1:], strict=True):
            self._parties[name] = self._make_gateway(name, rng, labour, around)
        disks: dict[str, Disk] = {AGGREGATOR: self._log, **self._journals}
        self._striker = Striker(self._queue, self._broker, self._parties, self._tripwires, disks)

    def play(self) -> Played:
        """Run to the end and close the books.

        Raises:
            Violation: an invariant does not hold.
        """
        for party in self._parties.values():
            party.start()
        for fault in self._scenario.faults:
            self._queue.at(fault.at_s, partial(self._strike, fault))
        self._queue.after(self._scenario.snapshot_s, self._snapshot)
        self._until(lambda: self._aggregator.finished, "no round has ended")
        self._until(self._quiet, "an update has no receipt")
        self._ledger.closed({name: found.statuses() for name, found in self._journals.items()})
        counts = dict(sorted(self._ledger.counts.items()))
        trace, now_s = self.trace, self._queue.now_s
        return Played(trace.digest, trace.count, now_s, counts, self._memory_bytes)

    def close(self) -> None:
        """Let go of the logs."""
        self._log.close()
        for journal in self._journals.values():
            journal.close()

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        """Let things happen until something is done, looking every few virtual seconds."""
        last, since_s = self._ended, self._queue.now_s
        while not done():
            self._queue.run_until(self._queue.now_s + _LOOK_S)
            if last != self._ended:
                last, since_s = self._ended, self._queue.now_s
            waited_s = self._queue.now_s - since_s
            require(waited_s < _PATIENCE_S, Invariant.PROGRESS, f"{otherwise} in {waited_s:.0f} s")

    @property
    def _ended(self) -> int:
        counts = self._ledger.counts
        return counts["rounds committed"] + counts["rounds abandoned"]

    def _quiet(self) -> bool:
        faults = self._scenario.faults
        over = not faults or self._queue.now_s > max(f.at_s + f.lasting_s for f in faults)
        return (
            over
            and self._ledger.newest_is_said
            and all(journal.pending() is None for journal in self._journals.values())
        )

    def _round_ends(self) -> None:
        """Weigh the aggregator while it holds all that it has folded, and let faults begin."""
        self._weigh()
        self._striker.round_ends()

    def _strike(self, fault: Fault) -> None:
        self.trace.add(fault.party or "broker", f"FAULT {fault.kind} for {fault.lasting_s:.1f} s")
        self._ledger.counts[f"fault {fault.kind}"] += 1
        self._striker.strike(fault)

    def _snapshot(self) -> None:
        if self._broker.up:
            self._broker.snapshot()
        self._queue.after(self._scenario.snapshot_s, self._snapshot)

    def _watch(self, party: str, effect: object) -> None:
        """See every effect before it is done."""
        if isinstance(effect, Publish):
            self.trace.add(party, f"sends {effect.topic}", effect.payload)
            if party == AGGREGATOR:
                self._watch_word(effect)
            self._tripwires[party].step()
        elif isinstance(effect, Install):
            self.trace.add(party, f"installs version {effect.model.version}")
            life = self._parties[party].life
            # The first one of a life is what the journal holds.
            self._ledger.installed(party, effect.model, anew=self._lives.get(party) != life)
            self._lives[party] = life
        elif isinstance(effect, Note):
            self.trace.add(party, effect.text)

    def _watch_word(self, effect: Publish) -> None:
        if effect.topic == self._topics.model:
            said = sealed.peek(effect.payload, ModelAnnouncement)
            self._ledger.announced(said.epoch, said.version)
        elif effect.topic == self._topics.plan:
            self._ledger.planned(sealed.peek(effect.payload, Plan))
        elif effect.topic.endswith("/reply"):
            word = wire.decode_any(_payload(effect), _REPLIES)
            if isinstance(word, Plan):
                self._ledger.planned(word)
            elif isinstance(word, Receipt):
                durable = self._log.is_durable(word.update)
                self._ledger.replied(word.update, word.status, durable=durable)
            one = not isinstance(word, IdentityConflict)
            require(one, Invariant.PROGRESS, f"{effect.topic}: one agent is taken for two")

    def _weigh(self) -> None:
        """Hold the aggregator's core against the size of the model and of the roster."""
        found = reachable_bytes(self._aggregator.core, but=(self._log,))
        self._memory_bytes = max(self._memory_bytes, found)
        model, gateways = 8 * self._scenario.parameters, len(self._scenario.gateways)
        limit = _OWN_BYTES + _VECTORS * model + _GATEWAY_BYTES * gateways
        require(found <= limit, Invariant.MEMORY, f"{found} bytes, at most {limit}")

    def _happened(self, event: Event) -> None:
        self.trace.add(AGGREGATOR, str(event))

    def _perform(self, jobs: list[Job]) -> list[Result | None]:
        return [self._work(job.gateway, job.work, job.share) for job in jobs]

    def _work(self, gateway: str, work: StartWork, share: float) -> Result | None:
        """Return what is scripted; of fewer steps it is as much, and says its share."""
        scenario, plan = self._scenario, work.plan.plan
        examples = scenario.examples[gateway]
        if work.model is None:
            return Summed(sums_of(scenario.seed, plan, gateway, examples), examples)
        self._ledger.based(work.model)
        if declines(scenario.seed, plan, gateway, scenario.declines):
            return None
        delta = delta_of(scenario.seed, plan, gateway, scenario.parameters)
        return Trained(delta, examples, 0.5, steps=-(-examples // _BATCH), share=share)

    def _signer(self, party: str) -> Signer:
        return signer_of(party) if self._scenario.ed25519 else QuickSigner(party)

    def _make_aggregator(self, rng: np.random.Generator, around: Surroundings) -> AggregatorParty:
        path_rng, link_rng = rng.spawn(2)
        return AggregatorParty(
            self._queue,
            self._broker,
            Path(self._queue, None, path_rng),
            PartyClock(self._queue, _EPOCH_S),
            link_rng,
            self._scenario.settings,
            self._task,
            self._log,
            self._happened,
            around,
        )

    def _make_gateway(
        self, name: str, rng: np.random.Generator, labour: Labour, around: Surroundings
    ) -> GatewayParty:
        scenario = self._scenario
        path_rng, link_rng = rng.spawn(2)
        profile = None if scenario.link is None else PROFILES[scenario.link]
        chunk_bytes = scenario.settings.chunk_bytes
        identity = Identity(POPULATION, name, _ARTIFACT, scenario.parameters, chunk_bytes)
        self._journals[name] = WatchedJournal(
            name, _ARTIFACT, scenario.room_bytes, self._ledger, self._tripwires[name]
        )
        return GatewayParty(
            self._queue,
            self._broker,
            Path(self._queue, profile, path_rng),
            PartyClock(self._queue, _EPOCH_S),
            link_rng,
            identity,
            self._journals[name],
            scenario.examples[name],
            labour,
            around,
        )


def _payload(effect: Publish) -> bytes:
    return cose.unpack(effect.payload, wire.MAX_MESSAGE_BYTES)[0]
