"""The aggregator's core, sans-I/O: messages and time in; publications and events out.

It holds one model's worth of memory: the sum that a round is folding into. Everything else is in
the :class:`~broker.aggregator.round_log.RoundLog`, from which a restart goes on inside the round.
:mod:`~broker.aggregator.planning` says what a round asks, :mod:`~broker.aggregator.reception`
answers what gateways offer, :mod:`~broker.aggregator.announcer` speaks to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.aggregator.admission import Limits
from broker.aggregator.announcer import Announcer
from broker.aggregator.events import (
    Event,
    GatewayDoubled,
    GatewayRefused,
    MessageRefused,
    RoundAbandoned,
    RoundCommitted,
    RoundOpened,
)
from broker.aggregator.gateway_keys import GatewayKeys
from broker.aggregator.open_round import OpenRound
from broker.aggregator.planning import Planner
from broker.aggregator.reception import Reception
from broker.aggregator.replay import Replay
from broker.aggregator.retained_sweep import RetainedSweep
from broker.aggregator.roster import Roster
from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round, RoundState
from broker.aggregator.sessions import Sessions
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.succession import Succession
from broker.aggregator.task import Task
from broker.protocol import pace, sealed, wire
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import (
    Chunk,
    GatewayPresence,
    PlanKind,
    RetryReason,
    SmallUpdate,
    UpdateOffer,
)
from broker.protocol.signing import Signer
from broker.protocol.topics import GatewayTopic, Topics

Effect = Publish | Subscribe | Unsubscribe | Event


class Coordinator:
    """Opens rounds, folds updates, commits versions; says everything it does.

    Time is Unix seconds that never step back while the process lives.

    Args:
        settings: how rounds go.
        task: what is trained.
        log: what it must not forget.
        signer: of the aggregator's key.
        listed: gateway -> public key of the only gateways that may take part; keys are pinned on
            first use when ``None``.
        began_ms: Unix milliseconds when this process began. Births, epochs and plans are numbered
            from there, so that an aggregator which has lost its log, or has an older backup of it,
            is taken for none that a broker replays, and no update for a plan that nobody remembers.
    """

    def __init__(
        self,
        settings: AggregatorSettings,
        task: Task,
        log: RoundLog,
        signer: Signer,
        listed: Mapping[str, bytes] | None = None,
        began_ms: int = 0,
    ) -> None:
        self._settings = settings
        self._task = task
        self._log = log
        self._topics = Topics(settings.population)
        self._birth = log.next_counter("birth", began_ms)
        if began_ms:
            log.next_counter("epoch", began_ms)
        self._roster = Roster(task.artifact, settings.rounds.min_examples)
        self._planner = Planner(settings, task, log, began_ms)
        self._succession = Succession(settings, task, log)
        self._announcer = Announcer(settings, task.artifact, log, signer, self._birth)
        self._sweep = RetainedSweep(self._topics, self._announcer.named)
        touched = {mode: places.size for mode, places in task.touched.items()}
        limits = Limits(task.initial.size, task.channels, touched)
        self._reception = Reception(
            self._topics, signer, log, self._planner, settings.rounds, limits
        )
        self._signer = signer
        self._keys = GatewayKeys(log, listed)
        self._sessions = Sessions()
        self._open: OpenRound | None = None
        self._replay: Replay | None = None
        self._recovered = True
        self._effects: list[Effect] = []
        self._recover()

    @property
    def birth(self) -> int:
        """Number of this run, as the will must name it."""
        return self._birth

    @property
    def finished(self) -> bool:
        """Whether all the rounds that the settings ask for are committed."""
        wanted = self._settings.rounds.rounds
        return bool(wanted) and (self._log.latest_version() or 0) >= wanted

    def will(self) -> Publish:
        """Return what the broker publishes when this process dies."""
        return self._announcer.presence(online=False)

    def connected(self) -> list[Effect]:
        """Say everything that a broker without memory must know."""
        topics = (self._topics.all_presence, self._topics.all_offers)
        for topic_filter in (*topics, self._topics.all_update_chunks):
            self._effects.append(Subscribe(topic_filter))
        if (version := self._log.latest_version()) is not None:
            self._effects += self._announcer.model(version, self._announcer.next_epoch())
            # Again, for a crash may have come between a commit and what it publishes.
            self._effects += self._announcer.forget(version)
        if self._open is not None:
            self._effects += self._announcer.plan(self._open.round.plan)
        self._effects.append(self._announcer.presence(online=True, pace_s=self._window_s))
        self._effects += self._sweep.connected()
        return self._take()

    def receive(self, topic: str, payload: bytes, now: float) -> list[Effect]:
        """Take one message; what is malformed is dropped whole and said."""
        try:
            if (found := self._topics.split_gateway(topic)) is not None:
                self._dispatch(found, topic, payload, now)
            else:
                self._effects += self._sweep.heard(topic, payload, now)
        except RemoteProtocolError as error:
            self._effects.append(MessageRefused(topic, str(error)))
        self._settle(now)
        return self._take()

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: deadlines, and rounds that can open."""
        self._settle(now)
        self._effects += self._sweep.tick(now)
        return self._take()

    def _dispatch(self, found: GatewayTopic, topic: str, payload: bytes, now: float) -> None:
        match found.rest:
            case ("presence",):
                self._on_presence(found.gateway, topic, payload, now)
            case ("offer",):
                self._on_offer(found.gateway, topic, payload, now)
            case ("chunk", digest, index):
                chunk = wire.decode(payload, Chunk)
                if (digest, index) != (chunk.digest.hex(), str(chunk.index)):
                    raise RemoteProtocolError("chunk", "digest", "not the topic's")
                if self._replay is None:
                    self._effects += self._reception.chunk(found.gateway, chunk, self._open, now)
            case _:
                raise RemoteProtocolError("topic", "", "not one of ours")

    def _on_presence(self, gateway: str, topic: str, payload: bytes, now: float) -> None:
        signer = self._signer
        presence = sealed.introduce(payload, topic, GatewayPresence, lambda p: p.key, signer)
        _require_owner(gateway, presence.gateway)
        if reason := self._keys.refusal(gateway, presence.key):
            self._effects.append(GatewayRefused(gateway, reason))
        elif conflict := self._sessions.heard(presence, now):
            self._roster.drop(gateway)
            if self._sessions.is_new(conflict):
                self._effects.append(GatewayDoubled(gateway, len(conflict.sessions)))
            if self._sessions.to_tell(presence, now):
                reply = self._topics.reply(gateway)
                self._effects.append(Publish(reply, sealed.seal(conflict, reply, signer)))
        else:
            if restored := self._roster.take(presence, now):
                self._effects.append(restored)
            self._effects += self._reception.clock(presence, now)

    def _on_offer(self, gateway: str, topic: str, payload: bytes, now: float) -> None:
        key = self._keys.known(gateway)
        if key is None:
            # Its presence comes with the next heartbeat, and the offer again after that.
            raise RemoteProtocolError("update-offer", "signature", f"{gateway} has shown no key")
        kinds = (UpdateOffer, SmallUpdate)
        said = sealed.unseal_any(payload, topic, kinds, key, self._signer)
        offer, data = self._reception.spelled_out(gateway, said)
        _require_owner(gateway, offer.update.gateway)
        if self._replay is not None:
            answer = self._reception.retry(offer, RetryReason.RECOVERING, self._window_s)
        elif self._open is None and self.finished:
            answer = self._reception.stale(offer)
        else:
            answer = self._reception.offered(offer, self._open, now, self._window_s, data)
        self._effects += answer

    @property
    def _window_s(self) -> float:
        return pace.window_s(len(self._keys), self._settings.rounds.arrivals_per_s)

    def _settle(self, now: float) -> None:
        if self._replay is not None:
            self._go_on_replaying(self._replay)
            return
        if self._recovered:
            self._give_time(now)
            self._recovered = False
        if self._open is not None:
            verdict = self._open.round.verdict(self._open.reported, now)
            if verdict is RoundState.COMMITTED:
                self._commit(self._open)
            elif verdict is RoundState.ABANDONED:
                self._abandon(self._open)
        if self._open is None and not self.finished:
            self._open_next(now)

    def _give_time(self, now: float) -> None:
        """After a restart, let the round that was open neither end at once nor last for ever.

        The time that the aggregator was away is not the gateways' fault, and its clock may have
        been set meanwhile.
        """
        if self._open is None:
            return
        if (replanned := self._planner.with_time(self._open.round, now)) is not None:
            self._log.replan(replanned)
            self._open.round = replanned
            self._effects += self._announcer.plan(replanned.plan)

    def _open_next(self, now: float) -> None:
        round_ = self._planner.next_round(self._roster.ready, now)
        if round_ is None:
            return
        self._log.begin(round_)
        self._begin(round_)
        self._effects += self._announcer.plan(round_.plan)
        self._effects.append(RoundOpened(round_.number, round_.plan.kind, len(round_.plan.cohort)))

    def _commit(self, open_round: OpenRound) -> None:
        plan = open_round.round.plan
        version = 0 if plan.kind is PlanKind.STATISTICS else plan.version + 1
        model = self._succession.next_model(open_round)
        oldest = self._planner.oldest(plan.kind, version)
        epoch, reported = self._announcer.next_epoch(), open_round.reported
        self._log.commit(open_round.round, reported, version, model, oldest=oldest)
        cohort = max(len(plan.cohort), reported)
        self._open = None
        self._effects += self._reception.expire(oldest)
        self._effects += self._announcer.model(version, epoch)
        self._effects += self._announcer.forget(version)
        self._effects.append(
            RoundCommitted(open_round.round.number, plan.kind, version, cohort, reported)
        )

    def _abandon(self, open_round: OpenRound) -> None:
        cohort, reported = len(open_round.round.plan.cohort), open_round.reported
        epoch = self._announcer.next_epoch()
        self._log.abandon(open_round.round, f"{reported} of {cohort} reported by the deadline")
        self._open = None
        wait_s = self._planner.retry_after_s()
        self._effects += self._announcer.abandoned(open_round.round.plan, reported, wait_s, epoch)
        self._effects.append(RoundAbandoned(open_round.round.number, cohort, reported, wait_s))

    def _recover(self) -> None:
        self._succession.found()
        last = self._log.last_round()
        if last is not None and last.state is RoundState.OPEN:
            self._begin(last)

    def _begin(self, round_: Round) -> None:
        """Take a round up: new, with what an abandoned one has left, or as it was at a crash."""
        self._open = self._opened(round_)
        self._replay = Replay(self._log, self._open)
        self._go_on_replaying(self._replay)

    def _go_on_replaying(self, replay: Replay) -> None:
        self._effects += replay.go_on()
        if replay.over:
            self._replay = None

    def _opened(self, round_: Round) -> OpenRound:
        task = self._task
        return OpenRound(round_, task.codec_layout, task.channels, task.touched)

    def _take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects


def _require_owner(topic_gateway: str, named: str) -> None:
    if topic_gateway != named:
        raise RemoteProtocolError("topic", "gateway", f"{topic_gateway!r} speaks for {named!r}")
