"""The one plan that a gateway answers, from its arrival to the update in the journal. Sans-I/O."""

from __future__ import annotations

import logging
import math
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression import codec
from broker.protocol.errors import LocalProtocolError
from broker.protocol.messages import (
    Mode,
    Plan,
    PlanKind,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.statistics import STATISTICS_CODEC, encode_sums
from broker.protocol.transfer import refer
from edge_agent.control_variate import ControlVariate, control_variate, reach_of
from edge_agent.effects import FinishWork, Identity, Model, Note, PauseWork, StartWork, StopWork
from edge_agent.errors import StorageError
from edge_agent.journal import Journal
from edge_agent.shelf import ModelShelf
from edge_agent.trainer import Summed, Trained

# Of the time that a plan leaves; the rest is for the upload.
_SHARE_FOR_WORK = 0.9


class PlanWork:
    """Takes plans that ask this gateway, and turns what was worked into journalled updates.

    Attributes:
        link: class of the link, by which a plan names the codec.
    """

    def __init__(self, identity: Identity, journal: Journal, shelf: ModelShelf) -> None:
        self._identity = identity
        self._journal = journal
        self._shelf = shelf
        self._plan: Plan | None = self._stored_plan()
        self._next: Plan | None = None
        self._working: str | None = None
        self._held = False
        self._ends_at = math.inf if self._plan is None else self._plan.deadline_unix_s
        self._finish_at = math.inf
        self._again_at = -math.inf
        self.link = identity.link

    @property
    def working(self) -> bool:
        """Whether work is under way."""
        return self._working is not None

    @property
    def wants(self) -> Plan | None:
        """The plan whose base is needed before work can start."""
        return None if self.working else self._plan

    def offered(self, plan: Plan, now: float) -> list[StopWork | Note]:
        """Take a plan, whoever it asks; a newer one overtakes what would not count beside it."""
        if not self._journal.raise_counter("plan-epoch", plan.epoch):
            return []
        effects: list[StopWork | Note] = []
        if self._plan is not None and self._plan.plan != plan.plan:
            if self._still_counts(self._plan, plan):
                self._next = plan if self._asked(plan, now) and not self._refusal(plan) else None
                return []
            effects += self._drop("another plan has come")
        if self._plan is not None and plan.plan == self._plan.plan:
            self._more_time(plan, now)
        if not self._asked(plan, now) or self._working == plan.plan:
            return effects
        if reason := self._refusal(plan):
            effects.append(Note(f"plan {plan.plan} declined: {reason}"))
        else:
            self._take_up(plan)
        return effects

    def _more_time(self, plan: Plan, now: float) -> None:
        """The plan that is worked on came again with another deadline."""
        self._take_up(plan)
        if self._finish_at < math.inf:
            self._finish_at = now + _SHARE_FOR_WORK * max(plan.deadline_unix_s - now, 0.0)

    def clock_set(self, by_s: float) -> None:
        """Time has jumped: what is left of the plan stays, until it comes again and says."""
        self._ends_at += by_s
        self._finish_at += by_s
        self._again_at += by_s

    def tick(self, now: float) -> list[StopWork | FinishWork | Note]:
        """Let time pass: a plan ends at its deadline, unless its update counts after it too.

        Where it does not, what was learnt is handed in shortly before.
        """
        plan = self._plan
        if plan is None or (self._working == plan.plan and plan.staleness_cap):
            return []
        if now > self._ends_at:
            return [*self._drop("its deadline has passed")]
        if self._working != plan.plan or now < self._finish_at or plan.kind is not PlanKind.TRAIN:
            return []
        self._finish_at = math.inf
        return [FinishWork(plan.plan)]

    def hold(self, held: bool) -> list[PauseWork]:
        """Rest while something stands in the way of training; the plan stays."""
        self._held = held
        if not held or self._working is None:
            return []
        plan, self._working = self._working, None
        return [PauseWork(plan)]

    def start(self, now: float, examples: int) -> list[StartWork]:
        """Start the work, or take it up again, once its base is held and nothing is in the way.

        After a restart the plan may be there before the examples are counted.
        """
        plan = self._plan
        if plan is None or self._held or self._working is not None or examples < plan.min_examples:
            return []
        if now < self._again_at:
            return []
        model = None if plan.model is None else self._shelf.held(plan.model)
        if plan.kind is PlanKind.TRAIN and model is None:
            return []
        self._working = plan.plan
        left_s = max(self._ends_at - now, 0.0)
        self._finish_at = now + _SHARE_FOR_WORK * left_s
        correction = self._correction(plan, model)
        return [StartWork(plan, model, self._seed(plan), correction, self._mode(plan))]

    def worked(self, plan: Plan, result: Trained | Summed) -> list[Note] | None:
        """Write an update of the work; ``None`` when another plan has overtaken it.

        Raises:
            StorageError: the journal cannot be written; the work is not answered.
        """
        # Work that ended while it was being paused counts too.
        if self._plan is None or self._plan.plan != plan.plan:
            return None
        notes = self._journal_update(plan, result)
        self._working = None
        self._take_up(self._promoted(plan))
        return notes

    def declined(self, plan: Plan, reason: str) -> list[Note]:
        """The work could not be done; the round goes on without this gateway."""
        if self._working != plan.plan:
            return []
        self._working = None
        self._take_up(self._promoted(plan))
        return [Note(f"plan {plan.plan} declined: {reason}")]

    def interrupted(self, plan: Plan, reason: str, again_at: float) -> list[Note]:
        """The work could not go on, for a disk that is full: it is taken up again then."""
        if self._working != plan.plan:
            return []
        self._working, self._again_at = None, again_at
        return [Note(f"plan {plan.plan} is taken up again: {reason}", logging.WARNING)]

    def give_up_base(self, digest: bytes) -> None:
        """The base of the plan is not usable, and asking again would bring the same bytes."""
        if self._plan is not None and self._plan.model and self._plan.model.digest == digest:
            self._take_up(None)

    def _stored_plan(self) -> Plan | None:
        """The plan that a process before this one had: a gateway without a link goes on with it."""
        plan = self._journal.plan()
        return None if plan is None or self._journal.has_answered(plan.plan) else plan

    def _take_up(self, plan: Plan | None) -> None:
        changed, self._plan = plan is not self._plan, plan
        if not changed:
            return
        self._ends_at = math.inf if plan is None else plan.deadline_unix_s
        try:
            self._journal.keep_plan(plan)
        except StorageError as error:
            # On a full disk: only a restart without a link would have needed it, and what is
            # answered is not begun again.
            if error.corrupt:
                raise

    def _refusal(self, plan: Plan) -> str:
        """Say why a plan cannot be answered, before any work goes into it."""
        if plan.artifact != self._identity.artifact:
            return "it is for another training artifact"
        return _codec_refusal(plan)

    def _asked(self, plan: Plan, now: float) -> bool:
        asked = self._identity.gateway in plan.cohort and now <= plan.deadline_unix_s
        return asked and not self._journal.has_answered(plan.plan)

    def _still_counts(self, plan: Plan, newer: Plan) -> bool:
        """Whether work under way on ``plan`` counts in the round of a newer one."""
        behind = newer.version - plan.version
        same = plan.kind is newer.kind is PlanKind.TRAIN and plan.artifact == newer.artifact
        return same and self._working == plan.plan and 0 <= behind <= plan.staleness_cap

    def _promoted(self, done: Plan) -> Plan | None:
        """Return the plan that came meanwhile, unless it asks for what was just done."""
        waiting, self._next = self._next, None
        return waiting if waiting is not None and waiting.version > done.version else None

    def _drop(self, why: str) -> list[StopWork | Note]:
        plan, self._next = self._plan, None
        self._take_up(None)
        if plan is None or self._working != plan.plan:
            return []
        self._working = None
        return [StopWork(plan.plan), Note(f"plan {plan.plan} given up: {why}")]

    def _correction(self, plan: Plan, model: Model | None) -> NDArray[np.float32] | None:
        if model is None or not self._corrects(plan):
            return None
        variate = self._journal.control_variate()
        return None if variate is None else variate.correction(model.version, model.parameters)

    def _variate(self, plan: Plan, result: Trained) -> ControlVariate | None:
        model = None if plan.model is None else self._shelf.held(plan.model)
        reach = reach_of(plan.training, result.steps)
        if model is None or not self._corrects(plan) or reach <= 0:
            return None
        correction = self._correction(plan, model)
        return control_variate(plan.version, model.parameters, result.delta, correction, reach)

    def _journal_update(self, plan: Plan, result: Trained | Summed) -> list[Note]:
        loss, variate, left = 0.0, None, None
        notes: list[Note] = []
        if isinstance(result, Trained):
            shared = self._identity.shared(plan.seed, self._mode(plan))
            residual, notes = self._residual(plan, shared.layout.parameters)
            compressed = codec(self._codec(plan)).compress(
                self._sent(plan, result.delta),
                shared,
                np.random.default_rng((*self._seed(plan), 1)),
                residual,
            )
            payload, left = compressed.payload, compressed.left
            # Of what was trained: neither the residual nor what the codec loses has steered it.
            loss, variate = result.loss, self._variate(plan, result)
        else:
            payload = encode_sums(result.sums)
        sequence = self._journal.next_counter("sequence")
        offer = UpdateOffer(
            UpdateId(plan.plan, plan.version, self._identity.gateway, sequence),
            self._codec(plan),
            result.num_examples,
            loss,
            refer(payload, self._identity.chunk_bytes),
            self._mode(plan) if isinstance(result, Trained) else Mode.FULL,
            result.share if isinstance(result, Trained) else 1.0,
        )
        self._journal.add_update(offer, payload, variate, left)
        return notes

    def _residual(self, plan: Plan, size: int) -> tuple[NDArray[np.float32] | None, list[Note]]:
        """Return what earlier updates left out, float32[size]; what is of no use is forgotten."""
        if codec(self._codec(plan)).chain.residual:
            residual = self._journal.residual(size)
            if residual is not None:
                return residual, []
        if self._journal.discard_residual():
            return None, [Note(f"the residual is discarded: plan {plan.plan} cannot use it")]
        return None, []

    def _codec(self, plan: Plan) -> str:
        return plan.codec_of(self.link)

    def _mode(self, plan: Plan) -> Mode:
        """What to train; all where the artifact has no such mode, for it would be the same."""
        mode = plan.training.mode_of(self._identity.tier)
        return mode if mode in self._identity.touched else Mode.FULL

    def _sent(self, plan: Plan, delta: NDArray[np.float32]) -> NDArray[np.float32]:
        """The coordinates of float32[P] that were touched."""
        mode = self._mode(plan)
        return delta if mode is Mode.FULL else self._identity.touched[mode].take(delta)

    def _corrects(self, plan: Plan) -> bool:
        """A control variate is of the whole gradient, which only training all layers knows."""
        return plan.training.scaffold and self._mode(plan) is Mode.FULL

    def _seed(self, plan: Plan) -> tuple[int, int]:
        return plan.seed, crc32(self._identity.gateway.encode())


def _codec_refusal(plan: Plan) -> str:
    if plan.kind is PlanKind.STATISTICS:
        known = plan.codec == STATISTICS_CODEC
        return "" if known else f"codec {plan.codec!r} does not write sums"
    try:
        for text in plan.codecs:  # any of them, for the link may change meanwhile
            codec(text)
    except LocalProtocolError as error:
        return str(error)
    return ""
