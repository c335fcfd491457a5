"""The one plan that a gateway answers, from its arrival to the update in the journal. Sans-I/O."""

from __future__ import annotations

import logging
import math

from broker.protocol.compression import codec
from broker.protocol.errors import LocalProtocolError
from broker.protocol.messages import Plan, PlanKind
from broker.protocol.statistics import STATISTICS_CODEC
from edge_agent.answers import Answers
from edge_agent.effects import FinishWork, Identity, Note, PauseWork, StartWork, StopWork
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
        self._answers = Answers(identity, journal, shelf)
        self._plan: Plan | None = self._stored_plan()
        self._next: Plan | None = None
        self._working: str | None = None
        self._begun = None if self._plan is None else self._plan.plan  # there may be a checkpoint
        self._held = self._barred = False
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
            self._finish_at = self._margin(now)

    def clock_set(self, by_s: float) -> None:
        """Time has jumped: what is left of the plan stays, until it comes again and says."""
        self._ends_at += by_s
        self._finish_at += by_s
        self._again_at += by_s

    def tick(self, now: float) -> list[StartWork | StopWork | FinishWork | Note]:
        """Let time pass: a plan ends at its deadline, unless its update counts after it too.

        Where it does not, what was learnt is handed in shortly before; so is that of work that
        rests then, unless nothing may be handed in.
        """
        plan = self._plan
        if plan is None or (self._working == plan.plan and plan.staleness_cap):
            return []
        if now > self._ends_at:
            return [*self._drop("its deadline has passed")]
        if plan.kind is not PlanKind.TRAIN or now < self._finish_at:
            return []
        if self._working == plan.plan:
            self._finish_at = math.inf
            return [FinishWork(plan.plan)]
        return self._hand_in_rest(plan, now)

    def _hand_in_rest(
        self, plan: Plan, now: float
    ) -> list[StartWork | StopWork | FinishWork | Note]:
        """Take up resting work for no further step."""
        if not self._held or self._barred or self._begun != plan.plan:
            return []
        begun = self._begin(plan, now)
        self._finish_at = math.inf
        return [*begun, FinishWork(plan.plan)] if begun else []

    def hold(self, held: bool, *, barred: bool = False) -> list[PauseWork]:
        """Rest while something stands in the way of training; the plan stays.

        Args:
            held: whether something does.
            barred: whether it is such that not even what was learnt before may be handed in.
        """
        self._held, self._barred = held, barred
        finishing = self._working is not None and self._finish_at == math.inf
        if not held or self._working is None or (finishing and not barred):
            return []
        plan, self._working = self._working, None
        return [PauseWork(plan)]

    def start(self, now: float, examples: int) -> list[StartWork]:
        """Start the work, or take it up again, once its base is held and nothing is in the way.

        After a restart the plan may be there before the examples are counted.
        """
        plan = self._plan
        if plan is None or self._working is not None or now < self._again_at:
            return []
        if self._held:
            if self._begun == plan.plan and self._finish_at == math.inf:  # of the life before
                self._finish_at = self._margin(now)
            return []
        return self._begin(plan, now) if examples >= plan.min_examples else []

    def _begin(self, plan: Plan, now: float) -> list[StartWork]:
        model = None if plan.model is None else self._shelf.held(plan.model)
        if plan.kind is PlanKind.TRAIN and model is None:
            return []
        self._working = self._begun = plan.plan
        self._finish_at = self._margin(now)
        answers = self._answers
        correction = answers.correction(plan, model)
        return [StartWork(plan, model, answers.seed(plan), correction, answers.mode(plan))]

    def _margin(self, now: float) -> float:
        return now + _SHARE_FOR_WORK * max(self._ends_at - now, 0.0)

    def worked(self, plan: Plan, result: Trained | Summed) -> list[Note] | None:
        """Write an update of the work; ``None`` when another plan has overtaken it.

        Raises:
            StorageError: the journal cannot be written; the work is not answered.
        """
        # Work that ended while it was being paused counts too, unless nothing may be handed in.
        if self._plan is None or self._plan.plan != plan.plan or self._barred:
            return None
        notes = self._answers.write(plan, result, self.link)
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
        if self._finish_at == math.inf:  # it was to be handed in
            self._finish_at = again_at
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
