"""The aggregator's core, sans-I/O: messages and time in; publications and events out.

It holds one model's worth of memory: the sum that a round is folding into. Everything else is in
the :class:`~broker.aggregator.round_log.RoundLog`, from which a restart goes on inside the round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.events import (
    Event,
    MessageRefused,
    RoundAbandoned,
    RoundCommitted,
    RoundOpened,
    UpdateAccepted,
    UpdateRefused,
)
from broker.aggregator.intake import Intake
from broker.aggregator.open_round import OpenRound
from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round, RoundState
from broker.aggregator.settings import AggregatorSettings
from broker.protocol import wire
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import (
    MAX_COHORT,
    AggregatorPresence,
    Chunk,
    GatewayPresence,
    GatewayState,
    ModelAnnouncement,
    Plan,
    PlanKind,
    Receipt,
    ReceiptStatus,
    TrainingPlan,
    UpdateOffer,
)
from broker.protocol.model_blob import pack_model, unpack_model
from broker.protocol.statistics import STATISTICS_CODEC
from broker.protocol.topics import GatewayTopic, Topics
from broker.protocol.transfer import cut, refer
from models.normalisation import Normalisation

Effect = Publish | Subscribe | Unsubscribe | Event


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is trained: the artifact that every gateway of the population holds too.

    Attributes:
        artifact: SHA-256 of the training artifact.
        initial: float32[P] parameters of version 0.
        channels: C, the length of the normalisation.
        normalisation: known beforehand, or ``None`` to ask the first cohort for sums.
    """

    artifact: bytes
    initial: NDArray[np.float32]
    channels: int
    normalisation: Normalisation | None


class Coordinator:
    """Opens rounds, folds updates, commits versions; says everything it does.

    Time is Unix seconds that never step back while the process lives.
    """

    def __init__(self, settings: AggregatorSettings, task: Task, log: RoundLog) -> None:
        self._settings = settings
        self._task = task
        self._log = log
        self._topics = Topics(settings.population)
        self._ready: dict[str, GatewayPresence] = {}
        self._births: dict[str, int] = {}
        self._birth = log.next_counter("birth")
        self._intake = Intake(log)
        self._open: OpenRound | None = None
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
        return self._presence(online=False)

    def connected(self) -> list[Effect]:
        """Say everything that a broker without memory must know."""
        topics = (self._topics.all_presence, self._topics.all_offers)
        for topic_filter in (*topics, self._topics.all_update_chunks):
            self._effects.append(Subscribe(topic_filter))
        if (version := self._log.latest_version()) is not None:
            self._announce(version)
            # Again, for a crash may have come between a commit and what it publishes.
            self._forget(version - 2)
        if self._open is not None:
            self._publish_plan(self._open.round.plan)
        self._effects.append(self._presence(online=True))
        return self._take()

    def receive(self, topic: str, payload: bytes, now: float) -> list[Effect]:
        """Take one message; what is malformed is dropped whole and said."""
        try:
            found = self._topics.split_gateway(topic)
            if found is not None:
                self._dispatch(found, payload, now)
        except RemoteProtocolError as error:
            self._effects.append(MessageRefused(topic, str(error)))
        self._settle(now)
        return self._take()

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: deadlines, and rounds that can open."""
        self._settle(now)
        return self._take()

    def _dispatch(self, found: GatewayTopic, payload: bytes, now: float) -> None:
        match found.rest:
            case ("presence",):
                self._on_presence(found.gateway, payload)
            case ("offer",):
                self._on_offer(found.gateway, wire.decode(payload, UpdateOffer))
            case ("chunk", _, _):
                self._on_chunk(found, wire.decode(payload, Chunk))
            case _:
                raise RemoteProtocolError("topic", "", "not one of ours")

    def _on_presence(self, gateway: str, payload: bytes) -> None:
        presence = wire.decode(payload, GatewayPresence)
        _require_owner(gateway, presence.gateway)
        if presence.birth < self._births.get(gateway, 0):
            return
        self._births[gateway] = presence.birth
        able = presence.state is not GatewayState.OFFLINE
        enough = presence.examples >= self._settings.rounds.min_examples
        if able and enough and presence.artifact == self._task.artifact:
            self._ready[gateway] = presence
        else:
            self._ready.pop(gateway, None)

    def _on_offer(self, gateway: str, offer: UpdateOffer) -> None:
        _require_owner(gateway, offer.update.gateway)
        if self._log.has_folded(offer.update):
            self._reply(offer, ReceiptStatus.DUPLICATE)
        elif self._open is None or offer.update.plan != self._open.round.plan.plan:
            self._reply(offer, ReceiptStatus.STALE, "its round is over")
        elif reason := self._open.refusal(offer):
            self._reply(offer, ReceiptStatus.REJECTED, reason)
        else:
            self._advance(offer)

    def _on_chunk(self, found: GatewayTopic, chunk: Chunk) -> None:
        if found.rest[1:] != (chunk.digest.hex(), str(chunk.index)):
            raise RemoteProtocolError("chunk", "digest", "not the topic's")
        offer = self._intake.take(found.gateway, chunk)
        if offer is not None and self._open is not None:
            self._advance(offer)

    def _advance(self, offer: UpdateOffer) -> None:
        """Ask for what is missing of an upload, or fold it when nothing is."""
        open_round = self._open
        if open_round is None:
            return
        want = self._intake.offered(offer)
        if want is not None:
            self._publish(self._topics.reply(offer.update.gateway), wire.encode(want))
            return
        try:
            payload = self._intake.assemble(offer)
            vector = open_round.decode(offer, payload)
        except RemoteProtocolError as error:
            self._reply(offer, ReceiptStatus.REJECTED, str(error)[:256])
            return
        self._log.accept(offer, payload)
        open_round.fold(offer, vector)
        accepted = UpdateAccepted(
            open_round.round.number,
            offer.update.gateway,
            offer.num_examples,
            offer.loss,
            len(payload),
        )
        self._effects.append(accepted)
        self._reply(offer, ReceiptStatus.ACCEPTED)

    def _settle(self, now: float) -> None:
        if self._open is not None:
            verdict = self._open.round.verdict(self._open.reported, now)
            if verdict is RoundState.COMMITTED:
                self._commit(self._open)
            elif verdict is RoundState.ABANDONED:
                self._abandon(self._open)
        if self._open is None and not self.finished:
            self._open_next(now)

    def _open_next(self, now: float) -> None:
        rounds = self._settings.rounds
        ready = sorted(self._ready)
        if len(ready) < rounds.min_gateways:
            return
        last = self._log.last_round()
        number = 1 if last is None else last.number + 1
        generator = np.random.default_rng((self._settings.seed, number))
        if (cohort := rounds.cohort or MAX_COHORT) < len(ready):
            ready = sorted(generator.choice(ready, cohort, replace=False).tolist())
        plan = self._plan(number, tuple(ready), now)
        round_ = Round(number, plan, min(rounds.min_reports, len(ready)), RoundState.OPEN)
        self._log.begin(round_)
        self._open = self._opened(round_)
        self._publish_plan(plan)
        self._effects.append(RoundOpened(number, plan.kind, len(ready)))

    def _plan(self, number: int, cohort: tuple[str, ...], now: float) -> Plan:
        settings, training = self._settings, self._settings.training
        version = self._log.latest_version()
        kind = PlanKind.STATISTICS if version is None else PlanKind.TRAIN
        blob = None if version is None else self._log.blob(version)
        return Plan(
            epoch=self._log.next_counter("epoch"),
            plan=f"{settings.population[:40]}.{number}",
            kind=kind,
            artifact=self._task.artifact,
            version=version or 0,
            model=None if blob is None else refer(blob, settings.chunk_bytes),
            cohort=cohort,
            codec=STATISTICS_CODEC if version is None else training.codec,
            training=TrainingPlan(
                training.local_epochs,
                training.learning_rate_at(version or 0, settings.rounds.rounds),
                training.momentum,
                training.mu,
                training.scaffold,
            ),
            min_examples=settings.rounds.min_examples,
            deadline_unix_s=now + settings.rounds.deadline_s,
            seed=(settings.seed * 1_000_003 + number) % 2**63,
        )

    def _commit(self, open_round: OpenRound) -> None:
        plan = open_round.round.plan
        if plan.kind is PlanKind.STATISTICS:
            version, normalisation = 0, open_round.normalisation()
            parameters = self._task.initial
        else:
            _, normalisation, base = self._unpack(plan.version)
            version, parameters = plan.version + 1, open_round.parameters(base)
        blob = pack_model(version, self._task.artifact, normalisation, parameters)
        self._log.commit(open_round.round, open_round.reported, version, blob)
        reported, cohort = open_round.reported, len(plan.cohort)
        self._close()
        self._announce(version)
        self._forget(version - 2)
        self._effects.append(
            RoundCommitted(open_round.round.number, plan.kind, version, cohort, reported)
        )

    def _abandon(self, open_round: OpenRound) -> None:
        cohort, reported = len(open_round.round.plan.cohort), open_round.reported
        self._log.abandon(open_round.round, f"{reported} of {cohort} reported by the deadline")
        self._close()
        self._effects.append(RoundAbandoned(open_round.round.number, cohort, reported))

    def _close(self) -> None:
        self._open = None
        self._intake.clear()

    def _recover(self) -> None:
        if self._log.latest_version() is None and self._task.normalisation is not None:
            initial, normalisation = self._task.initial, self._task.normalisation
            self._log.found(pack_model(0, self._task.artifact, normalisation, initial))
        last = self._log.last_round()
        if last is None or last.state is not RoundState.OPEN:
            return
        self._open = self._opened(last)
        for offer, payload in self._log.updates(last.plan.plan):
            self._open.fold(offer, self._open.decode(offer, payload))

    def _opened(self, round_: Round) -> OpenRound:
        return OpenRound(round_, self._task.initial.size, self._task.channels)

    def _unpack(self, version: int) -> tuple[int, Normalisation, NDArray[np.float32]]:
        return unpack_model(self._log.blob(version), self._task.artifact, self._task.initial.size)

    def _announce(self, version: int) -> None:
        blob = self._log.blob(version)
        reference = refer(blob, self._settings.chunk_bytes)
        for chunk in cut(blob, reference, range(reference.chunks)):
            topic = self._topics.blob_chunk(chunk.digest, chunk.index)
            self._publish(topic, wire.encode(chunk), retain=True)
        epoch = self._log.next_counter("epoch")
        announcement = ModelAnnouncement(
            epoch, version, self._task.artifact, reference, *self._log.makers(version)
        )
        self._publish(self._topics.model, wire.encode(announcement), retain=True)

    def _forget(self, version: int) -> None:
        """Clear the retained chunks of a version that no plan needs any more."""
        if version < 0:
            return
        reference = refer(self._log.blob(version), self._settings.chunk_bytes)
        for index in range(reference.chunks):
            self._publish(self._topics.blob_chunk(reference.digest, index), b"", retain=True)

    def _publish_plan(self, plan: Plan) -> None:
        self._publish(self._topics.plan, wire.encode(plan), retain=True)

    def _reply(self, offer: UpdateOffer, status: ReceiptStatus, reason: str = "") -> None:
        receipt = Receipt(offer.update, status, reason, 0.0)
        gateway = offer.update.gateway
        self._publish(self._topics.reply(gateway), wire.encode(receipt))
        if status in (ReceiptStatus.STALE, ReceiptStatus.REJECTED):
            self._effects.append(UpdateRefused(gateway, reason))

    def _presence(self, *, online: bool) -> Publish:
        message = AggregatorPresence(self._birth, online)
        return Publish(self._topics.aggregator, wire.encode(message), retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._effects.append(Publish(topic, payload, retain))

    def _take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects


def _require_owner(topic_gateway: str, named: str) -> None:
    if topic_gateway != named:
        raise RemoteProtocolError("topic", "gateway", f"{topic_gateway!r} speaks for {named!r}")
