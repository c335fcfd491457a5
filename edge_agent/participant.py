"""A gateway's part in the federation, sans-I/O: messages and time in; effects out.

It is restarted from the journal at any moment and goes on: a model that is held is installed, an
update without a receipt is offered again, a plan that was answered is not answered twice. Plans are
worked on in :mod:`edge_agent.work`, models come in through :mod:`edge_agent.download`, updates go
out through :mod:`edge_agent.outbox`, and :mod:`edge_agent.presence` says how the gateway is.
"""

from __future__ import annotations

import logging

from broker.protocol import sealed, wire
from broker.protocol.effects import Publish, Subscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import (
    AggregatorPresence,
    Chunk,
    ClockNotice,
    GatewayState,
    IdentityConflict,
    ModelAnnouncement,
    Plan,
    Receipt,
    RoundAbandonment,
    Want,
)
from broker.protocol.signing import Signer
from broker.protocol.topics import Topics
from edge_agent.clock import ClockOffset
from edge_agent.daily_budget import DailyBudget, message_bytes
from edge_agent.download import Download
from edge_agent.effects import Effect, Identity, Install, Note
from edge_agent.eligibility import OF_THE_LINK, OF_THE_MACHINE, OF_TRAINING, Obstacle
from edge_agent.journal import Journal
from edge_agent.model_route import ModelRoute
from edge_agent.outbox import Outbox
from edge_agent.presence import Condition, Presence
from edge_agent.shelf import ModelShelf
from edge_agent.trainer import Summed, Trained
from edge_agent.trust import AggregatorTrust
from edge_agent.twin import TwinWatch
from edge_agent.work import PlanWork

_REPLIES = (Want, Receipt, Plan, ClockNotice, IdentityConflict)


class Participant:
    """One gateway of one population. Time is seconds that never step back, Unix-like.

    Args:
        identity: who it is.
        journal: what it must not forget.
        signer: of its own key.
        session: 8 bytes drawn for this run of the process.
        aggregator_key: the aggregator's public key; pinned on first use when ``None``.
        daily_budget_bytes: that may be exchanged in a UTC day; 0 is no limit.
    """

    def __init__(
        self,
        identity: Identity,
        journal: Journal,
        signer: Signer,
        session: bytes,
        aggregator_key: bytes | None = None,
        daily_budget_bytes: int = 0,
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._topics = Topics(identity.population)
        self._effects: list[Effect] = []
        self._shelf = ModelShelf(identity, journal)
        self._route = ModelRoute(self._shelf)
        self._announced: ModelAnnouncement | None = None
        self._work = PlanWork(identity, journal, self._shelf)
        self._download = Download(self._topics)
        self._outbox = Outbox(self._topics, journal, signer)
        self._presence = Presence(identity, journal.next_counter("birth"), session, signer)
        self._clock = ClockOffset()
        self._signer = signer
        self._trust = AggregatorTrust(journal, aggregator_key)
        # What came before the aggregator's key is known: the last plan and announcement.
        self._unverified: dict[str, bytes] = {}
        self._connected = False
        self._inferring: int | None = None
        self._told = False
        self._examples = 0
        self._found: tuple[Obstacle, ...] = ()
        self._obstacles: tuple[Obstacle, ...] = ()
        self.budget = DailyBudget(journal, daily_budget_bytes)
        self._twin = TwinWatch(session)
        self.received_bytes = 0
        self.sent_bytes = 0

    @property
    def state(self) -> GatewayState:
        """What the gateway is doing, as others see it."""
        if self._work.working:
            return GatewayState.TRAINING
        if self._outbox.active:
            return GatewayState.UPLOADING
        if self._download.active:
            return GatewayState.DOWNLOADING
        return GatewayState.READY if self._examples else GatewayState.COLLECTING

    @property
    def version(self) -> int | None:
        """The model version that infers."""
        return self._inferring if self._told else self._shelf.version

    def will(self) -> Publish:
        """Return what the broker publishes when this process dies."""
        condition = Condition(
            GatewayState.OFFLINE, self._examples, self.version, held=self._shelf.version
        )
        return self._presence.message(condition, self._traffic)

    def started(self) -> list[Effect]:
        """Go on from the journal; the model that is held works before any link is there."""
        if self._shelf.flaw:
            self._effects.append(Note(self._shelf.flaw))
        if self._shelf.installed is not None:
            self._effects.append(Install(self._shelf.installed))
        return self._take()

    def connected(self, now: float) -> list[Effect]:
        """The link is up."""
        self._connected = True
        topics = self._topics
        for topic in (topics.aggregator, topics.reply(self._identity.gateway), topics.model):
            self._effects.append(Subscribe(topic))
        self._effects.append(Subscribe(topics.round))
        self._effects.append(Subscribe(topics.plan))
        self._effects += self._download.resume(now, link=self._exchanging)
        self._presence.forget()
        self._effects += self._outbox.resume(now, link=self._exchanging)
        return self._settle(now)

    def again(self, now: float) -> list[Effect]:
        """Ask for everything once more, after messages that could not be taken."""
        return self.connected(now) if self._connected else []

    def disconnected(self) -> list[Effect]:
        """The link is down; work goes on."""
        self._connected = False
        return self._take()

    def receive(self, topic: str, payload: bytes, now: float) -> list[Effect]:
        """Take one message; what is malformed is dropped whole and noted."""
        self.received_bytes += len(payload)
        self.budget.spend(message_bytes(topic, payload), now)
        try:
            self._dispatch(topic, payload, now)
        except RemoteProtocolError as error:
            self._effects.append(Note(f"dropped a message on {topic}: {error}"))
        return self._settle(now)

    def published(self, token: str, now: float) -> list[Effect]:
        """The broker has acknowledged a publication that had a token."""
        self._effects += self._outbox.published(token, now)
        return self._settle(now)

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: retries, deadlines, heartbeat."""
        if self._twin.gone(now):
            self._judge(now)
        self._effects += self._work.tick(self._clock.shared(now))
        if self._exchanging:
            self._effects += self._outbox.tick(now)
            self._effects += self._download.tick(now)
        if self._connected:
            self._presence.tick(now)
        return self._settle(now)

    def judged(self, found: tuple[Obstacle, ...], now: float) -> list[Effect]:
        """Say what stands in the way of taking part; work rests, and goes on when nothing does."""
        self._found = found
        self._judge(now)
        return self._settle(now)

    def linked(self, link: str, now: float) -> list[Effect]:
        """Say of which class the link is."""
        self._work.link = link
        return self._settle(now)

    def inferring(self, version: int | None, now: float) -> list[Effect]:
        """Say which version infers: :class:`Install` is a wish that a check may refuse.

        Who never says so is taken to infer with what it was last told to install.
        """
        self._inferring, self._told = version, True
        return self._settle(now)

    def examples(self, count: int, now: float) -> list[Effect]:
        """Say how many examples can be trained on."""
        self._examples = count
        return self._settle(now)

    def worked(self, plan: Plan, result: Trained | Summed, now: float) -> list[Effect]:
        """Take what :class:`StartWork` asked for; it is durable before anything is sent.

        Raises:
            StorageError: the journal cannot be written; the work is not answered.
        """
        if (notes := self._work.worked(plan, result)) is not None:
            self._effects += notes
            self._effects += self._outbox.resume(now, link=self._exchanging)
        return self._settle(now)

    def declined(self, plan: Plan, reason: str, now: float) -> list[Effect]:
        """The work could not be done; the round goes on without this gateway."""
        self._effects += self._work.declined(plan, reason)
        return self._settle(now)

    def interrupted(self, plan: Plan, reason: str, again_s: float, now: float) -> list[Effect]:
        """The work could not go on for now: it is taken up again in ``again_s``."""
        self._effects += self._work.interrupted(plan, reason, self._clock.shared(now) + again_s)
        return self._settle(now)

    def _judge(self, now: float) -> None:
        before = {obstacle.reason for obstacle in self._obstacles}
        could_exchange = self._exchanging
        found = self._obstacles = (*self._found, *self._twin.obstacles)
        for obstacle in found:
            if obstacle.reason not in before:
                self._effects.append(Note(f"takes no part: {obstacle.reason}: {obstacle.detail}"))
        if before and not found:
            self._effects.append(Note("takes part again"))
        holding = {o.reason for o in found} & OF_TRAINING
        self._effects += self._work.hold(bool(holding), barred=not holding <= OF_THE_MACHINE)
        if could_exchange and not self._exchanging:
            self._outbox.rest()
        elif self._exchanging and not could_exchange:
            self._effects += self._outbox.resume(now, link=True)
            self._effects += self._download.ask(now, link=True)

    def _dispatch(self, topic: str, payload: bytes, now: float) -> None:
        topics = self._topics
        if topic == topics.aggregator:
            self._on_aggregator(topic, payload, now)
        elif topic.startswith(f"{topics.root}/blob/"):
            if payload:
                self._on_chunk(topic, wire.decode(payload, Chunk), now)
        elif self._trust.key is None:
            if topic in (topics.plan, topics.model):
                self._unverified[topic] = payload
        else:
            self._on_signed(topic, payload, self._trust.key, now)

    def _on_signed(self, topic: str, payload: bytes, key: bytes, now: float) -> None:
        topics, signer = self._topics, self._signer
        if topic == topics.model:
            announcement = sealed.unseal(payload, topic, ModelAnnouncement, key, signer)
            self._on_announcement(announcement)
        elif topic == topics.plan:
            plan = sealed.unseal(payload, topic, Plan, key, signer)
            self._effects += self._work.offered(plan, self._clock.shared(now))
        elif topic == topics.round:
            ended = sealed.unseal(payload, topic, RoundAbandonment, key, signer)
            self._effects.append(
                Note(f"the round of plan {ended.plan} is abandoned; another one is to come")
            )
        elif topic == topics.reply(self._identity.gateway):
            self._on_reply(sealed.unseal_any(payload, topic, _REPLIES, key, signer), now)

    def _on_aggregator(self, topic: str, payload: bytes, now: float) -> None:
        signer = self._signer
        presence = sealed.introduce(payload, topic, AggregatorPresence, lambda p: p.key, signer)
        self._effects += self._trust.meet(presence.key)
        if presence.key != self._trust.key:
            return
        self._effects += self._outbox.aggregator(presence, now)
        unverified, self._unverified = self._unverified, {}
        for kept_topic, kept in unverified.items():
            self._on_signed(kept_topic, kept, presence.key, now)

    def _on_announcement(self, announcement: ModelAnnouncement) -> None:
        if announcement.artifact != self._identity.artifact:
            self._effects.append(Note("a model of another training artifact was announced"))
        elif self._journal.raise_counter("model-epoch", announcement.epoch):
            self._announced = announcement
            if news := self._shelf.announced(announcement.version):
                self._effects.append(Note(news, logging.WARNING))

    def _on_reply(self, reply: object, now: float) -> None:
        if isinstance(reply, Want):
            self._effects += self._outbox.wanted(reply, now)
        elif isinstance(reply, Receipt):
            self._effects += self._outbox.receipt(reply, now)
        elif isinstance(reply, Plan):
            self._effects += self._work.offered(reply, self._clock.shared(now))
        elif isinstance(reply, ClockNotice):
            self._on_clock(reply, now)
        elif isinstance(reply, IdentityConflict):
            self._effects += self._twin.told(reply, now)
            self._judge(now)

    def _on_clock(self, notice: ClockNotice, now: float) -> None:
        before_s = self._clock.offset_s
        if self._clock.take(notice, now):
            offset_s = self._clock.offset_s
            self._work.clock_set(offset_s - before_s)
            self._effects.append(Note(f"the clock is {-offset_s:+.0f} s off the aggregator's"))
            # The plan may have seemed to be over; the broker has it still.
            self._effects.append(Subscribe(self._topics.plan))

    def _on_chunk(self, topic: str, chunk: Chunk, now: float) -> None:
        complete, requests = self._download.take(topic, chunk, now)
        self._effects += requests
        if complete is None:
            return
        try:
            self._route.take(chunk.digest, complete)
        except RemoteProtocolError as error:
            if self._route.avoid(chunk.digest):
                self._effects.append(Note(f"the model is fetched whole: {error}"))
                return
            self._give_up_blob(chunk.digest)
            raise

    def _give_up_blob(self, digest: bytes) -> None:
        """Asking again would bring the same bytes: wait for another announcement or plan."""
        if self._announced is not None and self._announced.model.digest == digest:
            self._announced = None
        self._work.give_up_base(digest)

    def _settle(self, now: float) -> list[Effect]:
        """Do what has become possible, then say the state if it has changed."""
        self._seek_model()
        self._effects += self._work.start(self._clock.shared(now), self._examples)
        # A plan's base first, for it has a deadline. What is held was acted on already.
        wanted = self._route.choose(self._work.wants, self._announced)
        self._effects += self._download.seek(wanted, now, link=self._exchanging)
        if self._connected:
            reasons = tuple(str(obstacle.reason) for obstacle in self._obstacles)
            condition = Condition(
                self.state,
                self._examples,
                self.version,
                reasons,
                self._shelf.version,
                self._work.link,
                self.budget.spent(now),
            )
            self._effects += self._presence.news(condition, self._traffic, now, self._clock)
        sent = [e for e in self._effects if isinstance(e, Publish)]
        if sent:
            self.budget.spend(sum(message_bytes(e.topic, e.payload) for e in sent), now)
        return self._take()

    def _seek_model(self) -> None:
        held = None if self._announced is None else self._shelf.held(self._announced.model)
        if held is None:
            return
        self._announced = None
        if self._shelf.install(held):
            self._effects.append(Install(held))

    @property
    def _exchanging(self) -> bool:
        """Whether updates and models may go over the link now."""
        return self._connected and not any(o.reason in OF_THE_LINK for o in self._obstacles)

    @property
    def _traffic(self) -> tuple[int, int]:
        return self.received_bytes, self.sent_bytes

    def _take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        self.sent_bytes += sum(len(e.payload) for e in effects if isinstance(e, Publish))
        return effects
