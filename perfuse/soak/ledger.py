"""Books that are kept outside the cores: who learnt what, what was folded, what was said of it.

The ledger hears of every durable write after it is durable and of every message before it is sent.
It works every version out again, from the updates that the round log took and nothing else.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.next_model import NextModel
from broker.aggregator.rounds import Round
from broker.aggregator.task import Task
from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.messages import (
    MAX_INLINE_BYTES,
    Plan,
    PlanKind,
    ReceiptStatus,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.model_blob import unpack_model
from broker.protocol.small_update import small
from broker.protocol.statistics import decode_sums
from broker.protocol.transfer import refer
from edge_agent.effects import Model
from models.normalisation import ChannelSums
from perfuse.soak.scenario import Scenario
from perfuse.soak.trace import Trace
from perfuse.soak.violation import Invariant, require
from perfuse.soak.work import CHANNELS, delta_of, sums_of

_KEPT_FOR_GOOD = (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
_Key = tuple[str, str]


@dataclass(slots=True)
class _Entry:
    """One update: what the gateway wrote down, and what became of it."""

    offer: UpdateOffer
    payload: bytes
    accepted: bool = False
    discount: float = 1.0
    status: ReceiptStatus | None = None


class Ledger:
    """What one run has done so far, and whether it may.

    Args:
        scenario: of the run.
        task: what is trained.
        trace: is told of every write.

    Raises:
        Violation: from every method: what has just happened must not.
    """

    def __init__(self, scenario: Scenario, task: Task, trace: Trace) -> None:
        self._scenario = scenario
        self._task = task
        self._trace = trace
        self._entries: dict[_Key, _Entry] = {}
        self._counting: list[_Key] = []
        self._round: Round | None = None
        self._seeds: dict[str, int] = {}
        self._parameters = self._before = task.initial
        self._carry: NDArray[np.float32] = np.zeros_like(task.initial)
        self._digests: list[bytes] = []
        self._announced = (0, 0)
        self._installed: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    @property
    def version(self) -> int:
        """The newest; -1 before the first."""
        return len(self._digests) - 1

    def journalled(self, gateway: str, offer: UpdateOffer, payload: bytes) -> None:
        """A gateway has written an update down."""
        self._say(gateway, f"journalled {_name(offer.update)}", payload)
        key = _key(offer.update)
        require(gateway == key[1], Invariant.ONCE, f"{gateway} answers for {key[1]}")
        require(key not in self._entries, Invariant.ONCE, f"{_name(offer.update)} answers again")
        self._entries[key] = _Entry(offer, payload)
        self._require_own_work(offer, payload)

    def accepted(self, offer: UpdateOffer, payload: bytes) -> None:
        """The aggregator has written an update down."""
        self._say("aggregator", f"accepted {_name(offer.update)}", payload)
        entry = self._entries.get(_key(offer.update))
        same = entry is not None and (_told(entry), entry.payload) == (offer, payload)
        require(same, Invariant.ONCE, f"{_name(offer.update)} is not what its gateway journalled")
        assert entry is not None
        require(not entry.accepted, Invariant.ONCE, f"{_name(offer.update)} was folded before")
        entry.accepted, entry.discount = True, self._discount(offer)
        self._counting.append(_key(offer.update))

    def settled(self, gateway: str, update: UpdateId, status: ReceiptStatus) -> None:
        """A gateway has taken a receipt."""
        self._say(gateway, f"settled {_name(update)}: {status}")
        entry = self._entries[_key(update)]
        self._require_true(entry, status)
        entry.status = status

    def replied(self, update: UpdateId, status: ReceiptStatus, *, durable: bool) -> None:
        """The aggregator is about to send a receipt; ``durable`` is what its log says."""
        entry = self._entries.get(_key(update))
        require(entry is not None, Invariant.DURABLE, f"{_name(update)} was never journalled")
        assert entry is not None
        if status is ReceiptStatus.RETRY:
            return
        self._require_true(entry, status)
        if status in _KEPT_FOR_GOOD:
            require(durable, Invariant.DURABLE, f"{status} for {_name(update)}, not in the log")
        self.counts[f"receipt {status}"] += 1

    def founded(self, blob: bytes) -> None:
        """Version 0 was written without a round."""
        self._say("aggregator", "founded version 0", blob)
        self._require_next(0)
        self._publish(blob, self._task.initial)

    def planned(self, plan: Plan) -> None:
        """The aggregator is about to ask for something."""
        self._seeds[plan.plan] = plan.seed

    def begun(self, round_: Round) -> None:
        """A round was written."""
        plan = round_.plan
        self._say("aggregator", f"round {round_.number}: {plan.kind} for {len(plan.cohort)}")
        before = 0 if self._round is None else self._round.number
        require(round_.number == before + 1, Invariant.GROWTH, f"round {round_.number} is not next")
        self._round = round_

    def abandoned(self, round_: Round) -> None:
        """A round has ended without a version; what was accepted in it counts in the next."""
        self._say("aggregator", f"round {round_.number} is abandoned")
        strict = self._scenario.strict
        require(not strict, Invariant.NOTHING_LOST, f"round {round_.number} had no deadline")
        self.counts["rounds abandoned"] += 1

    def committed(self, round_: Round, reported: int, version: int, model: NextModel) -> None:
        """A round has ended with a version: the mean of what was accepted, less what is carried."""
        blob = model.blob
        self._say("aggregator", f"round {round_.number}: version {version} of {reported}", blob)
        self._require_next(version)
        counting = [self._entries[key] for key in self._counting]
        require(
            reported == len(counting) >= round_.min_reports,
            Invariant.ONCE,
            f"version {version} says {reported} updates, {len(counting)} were accepted",
        )
        if round_.plan.kind is PlanKind.STATISTICS:
            self._require_normalisation(counting, blob)
            parameters = self._task.initial
        else:
            parameters = self._mean(counting)
        self._publish(blob, parameters, model.carry)
        self._counting.clear()
        self.counts["rounds committed"] += 1
        self.counts["updates folded"] += reported

    def announced(self, epoch: int, version: int) -> None:
        """The aggregator is about to say which version is the newest."""
        order = (version, epoch)
        require(order > self._announced, Invariant.GROWTH, f"{order} after {self._announced}")
        require(version == self.version, Invariant.GROWTH, f"{version} is not {self.version}")
        self._announced = order

    @property
    def newest_is_said(self) -> bool:
        """Whether gateways can know of the newest version."""
        return self._announced[0] == self.version

    def installed(self, gateway: str, model: Model, *, anew: bool) -> None:
        """A gateway is about to infer with a version; ``anew`` is at its start."""
        version, before = model.version, self._installed.get(gateway, -1)
        newer = version >= before if anew else version > before
        require(newer, Invariant.GROWTH, f"{gateway} installs {version} after {before}")
        self.based(model)
        self._installed[gateway] = version

    def based(self, model: Model) -> None:
        """A gateway uses a model, to infer with or to train from."""
        version = model.version
        known = version < len(self._digests) and self._digests[version] == model.digest
        require(known, Invariant.GROWTH, f"version {version} is not the one that was committed")

    def closed(self, statuses: dict[str, dict[int, str]]) -> None:
        """Nothing more will happen; ``statuses`` is what each journal says of its updates."""
        for (_, gateway), entry in self._entries.items():
            name = _name(entry.offer.update)
            status = statuses[gateway].get(entry.offer.update.sequence)
            self.counts[f"update {status}"] += 1
            ended = status == "evicted" or (entry.status is not None and status == entry.status)
            require(ended, Invariant.NOTHING_LOST, f"{name} is {status} in its journal")
            if self._scenario.strict:
                require(entry.accepted, Invariant.NOTHING_LOST, f"{name} is {status}")

    def _say(self, party: str, text: str, content: bytes = b"") -> None:
        self._trace.add(party, text, content)

    def _require_true(self, entry: _Entry, status: ReceiptStatus) -> None:
        """A word on an update must be what the log says of it, whichever way."""
        name, kept = _name(entry.offer.update), status in _KEPT_FOR_GOOD
        if kept:
            require(entry.accepted, Invariant.DURABLE, f"{name} is {status}, and was not accepted")
        else:
            lost = f"{name} is {status}"
            require(not entry.accepted, Invariant.NOTHING_LOST, f"{lost}, though it was accepted")
            honest = status is not ReceiptStatus.REJECTED and not self._scenario.strict
            require(honest, Invariant.NOTHING_LOST, lost)

    def _require_next(self, version: int) -> None:
        expected = self.version + 1
        require(version == expected, Invariant.GROWTH, f"version {version}, not {expected}")

    def _require_own_work(self, offer: UpdateOffer, payload: bytes) -> None:
        """What is not lossy must be the very bytes that the scripted work has given."""
        seed, (plan, gateway) = self._scenario.seed, _key(offer.update)
        if offer.codec == "none":
            expected = delta_of(seed, plan, gateway, self._scenario.parameters).tobytes()
        elif offer.codec == "statistics":
            expected = sums_of(seed, plan, gateway, offer.num_examples).tobytes()
        else:
            return
        require(payload == expected, Invariant.ONCE, f"{_name(offer.update)} is another's work")

    def _discount(self, offer: UpdateOffer) -> float:
        """(1 + s) ** -a, by how many versions an update is behind the round that takes it."""
        rounds = self._scenario.settings.rounds
        assert self._round is not None
        staleness = self._round.plan.version - offer.update.version
        fresh = 0 <= staleness <= rounds.staleness_cap
        require(fresh, Invariant.ONCE, f"{_name(offer.update)} is {staleness} versions behind")
        self.counts["updates folded late"] += staleness > 0
        return float((1 + staleness) ** -rounds.staleness_power)

    def _mean(self, counting: list[_Entry]) -> NDArray[np.float32]:
        """FedAvg once more: float32[P] of the base and the decoded deltas by their weights."""
        deltas = np.stack([self._decoded(entry).astype(np.float64) for entry in counting])
        offers = [entry.offer for entry in counting]
        weights = np.array([offer.num_examples * offer.share for offer in offers], np.float64)
        discounts = np.array([entry.discount for entry in counting], np.float64)
        step = (weights * discounts) @ deltas / weights.sum()
        if self.version:  # FedAvgM: what the version before has moved goes on
            moved = self._parameters.astype(np.float64) - self._before
            step += self._scenario.settings.training.server_momentum * moved
        return np.asarray(self._parameters.astype(np.float64) + step + self._carry, np.float32)

    def _decoded(self, entry: _Entry) -> NDArray[np.float32]:
        offer = entry.offer
        shared = Shared(Layout.plain(self._scenario.parameters), self._seeds[offer.update.plan])
        return codec(offer.codec).decompress(entry.payload, shared).dense()

    def _require_normalisation(self, counting: list[_Entry], blob: bytes) -> None:
        vectors = [decode_sums(entry.payload, 3 * CHANNELS) for entry in counting]
        expected = ChannelSums.from_vector(np.sum(vectors, axis=0)).normalisation()
        _, found, _ = unpack_model(blob, self._task.artifact, self._scenario.parameters)
        close = np.allclose((found.mean, found.std), (expected.mean, expected.std), rtol=1e-6)
        require(close, Invariant.ONCE, f"normalisation {found}, not {expected}")

    def _publish(
        self, blob: bytes, expected: NDArray[np.float32], carry: NDArray[np.float32] | None = None
    ) -> None:
        version, _, found = unpack_model(blob, self._task.artifact, self._scenario.parameters)
        self._carry = np.zeros_like(found) if carry is None else carry
        close = np.allclose(found + self._carry, expected, rtol=1e-5, atol=1e-6)
        off = float(np.abs(found + self._carry - expected).max())
        require(close, Invariant.ONCE, f"version {version} is off by {off:g} from its updates")
        self._before, self._parameters = self._parameters, found
        self._digests.append(hashlib.sha256(blob).digest())


def _key(update: UpdateId) -> _Key:
    return update.plan, update.gateway


def _told(entry: _Entry) -> UpdateOffer:
    """What a gateway's offer tells: a small update rounds the loss, and is one piece."""
    said = small(entry.offer, entry.payload)
    if said is None:
        return entry.offer
    whole = refer(entry.payload, MAX_INLINE_BYTES)
    return replace(entry.offer, loss=said.loss, payload=whole)


def _name(update: UpdateId) -> str:
    return f"{update.plan}/{update.gateway}#{update.sequence}"
