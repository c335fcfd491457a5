"""A gateway's part in the federation, sans-I/O: messages and time in; effects out.

It is restarted from the journal at any moment and goes on: a model that is held is installed, an
update without a receipt is offered again, a plan that was answered is not answered twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from broker.protocol import wire
from broker.protocol.compression import codec, codec_names
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import (
    AggregatorPresence,
    BlobReference,
    Chunk,
    GatewayPresence,
    GatewayState,
    ModelAnnouncement,
    Plan,
    PlanKind,
    Receipt,
    ReceiptStatus,
    UpdateId,
    UpdateOffer,
    Want,
)
from broker.protocol.model_blob import unpack_model
from broker.protocol.statistics import STATISTICS_CODEC, encode_sums
from broker.protocol.topics import Topics
from broker.protocol.transfer import Assembly, refer
from edge_agent.control_variate import ControlVariate, control_variate, reach_of
from edge_agent.journal import Journal
from edge_agent.trainer import Summed, Trained
from edge_agent.upload import Upload
from models.normalisation import Normalisation

_HEARTBEAT_S = 30.0
_DOWNLOAD_RETRY_S = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model version that was verified: its blob's SHA-256, and float32[P] parameters."""

    digest: bytes
    version: int
    normalisation: Normalisation
    parameters: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Install:
    """Infer with this version from now on."""

    model: Model


@dataclass(frozen=True, slots=True, eq=False)
class StartWork:
    """Do what a plan asks; ``model`` is its base, or ``None`` for a statistics plan.

    Attributes:
        seed: of what is random in this gateway's work for this plan.
        correction: float32[P] added to every gradient, or ``None``.
    """

    plan: Plan
    model: Model | None
    seed: tuple[int, int]
    correction: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class StopWork:
    """The plan that is being worked on was overtaken."""

    plan: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the gateway's log."""

    text: str


Effect = Publish | Subscribe | Unsubscribe | Install | StartWork | StopWork | Note


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gateway is, and what it can train.

    Attributes:
        artifact: SHA-256 of the training artifact that it holds.
        parameters: P, the length of the artifact's parameter vector.
        chunk_bytes: bytes of a chunk of its uploads.
    """

    population: str
    gateway: str
    artifact: bytes
    parameters: int
    chunk_bytes: int = 32 * 1024


class Participant:
    """One gateway of one population. Time is seconds that never step back, Unix-like."""

    def __init__(self, identity: Identity, journal: Journal) -> None:
        self._identity = identity
        self._journal = journal
        self._topics = Topics(identity.population)
        self._birth = journal.next_counter("birth")
        self._effects: list[Effect] = []
        self._model = self._stored_model()
        self._announced: ModelAnnouncement | None = None
        self._plan: Plan | None = None
        self._working: str | None = None
        self._download: Assembly | None = None
        self._download_retry_at = 0.0
        self._upload: Upload | None = None
        self._connected = False
        self._examples = 0
        self._aggregator_birth = 0
        self._said: tuple[GatewayState, int, int | None] | None = None
        self._heartbeat_at = 0.0
        self.received_bytes = 0
        self.sent_bytes = 0

    @property
    def state(self) -> GatewayState:
        """What the gateway is doing, as others see it."""
        if self._working is not None:
            return GatewayState.TRAINING
        if self._upload is not None:
            return GatewayState.UPLOADING
        if self._download is not None:
            return GatewayState.DOWNLOADING
        return GatewayState.READY if self._examples else GatewayState.COLLECTING

    @property
    def version(self) -> int | None:
        """The model version that is installed."""
        return None if self._model is None else self._model.version

    def will(self) -> Publish:
        """Return what the broker publishes when this process dies."""
        return self._presence(GatewayState.OFFLINE)

    def started(self) -> list[Effect]:
        """Go on from the journal; the model that is held works before any link is there."""
        if self._model is not None:
            self._effects.append(Install(self._model))
        return self._take()

    def connected(self, now: float) -> list[Effect]:
        """The link is up."""
        self._connected = True
        topics = self._topics
        for topic in (topics.reply(self._identity.gateway), topics.aggregator, topics.model):
            self._effects.append(Subscribe(topic))
        self._effects.append(Subscribe(topics.plan))
        if self._download is not None:
            self._subscribe_blob(self._download.reference, now)
        self._said = None
        self._resume_upload(now)
        return self._settle(now)

    def disconnected(self) -> list[Effect]:
        """The link is down; work goes on."""
        self._connected = False
        return self._take()

    def receive(self, topic: str, payload: bytes, now: float) -> list[Effect]:
        """Take one message; what is malformed is dropped whole and noted."""
        self.received_bytes += len(payload)
        try:
            self._dispatch(topic, payload, now)
        except RemoteProtocolError as error:
            self._effects.append(Note(f"dropped a message on {topic}: {error}"))
        return self._settle(now)

    def published(self, token: str, now: float) -> list[Effect]:
        """The broker has acknowledged a publication that had a token."""
        if self._upload is not None:
            self._effects += self._upload.published(token, now)
        return self._settle(now)

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: retries, deadlines, heartbeat."""
        if self._plan is not None and now > self._plan.deadline_unix_s:
            self._drop_plan("its deadline has passed")
        if self._connected:
            if self._upload is not None:
                self._effects += self._upload.tick(now)
            if self._download is not None and now >= self._download_retry_at:
                self._subscribe_blob(self._download.reference, now)
            if now >= self._heartbeat_at:
                self._said = None
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
        if self._working == plan.plan:
            self._journal_update(plan, result)
            self._working = self._plan = None
            self._resume_upload(now)
        return self._settle(now)

    def declined(self, plan: Plan, reason: str, now: float) -> list[Effect]:
        """The work could not be done; the round goes on without this gateway."""
        if self._working == plan.plan:
            self._working = None
            self._plan = None
            self._effects.append(Note(f"plan {plan.plan} declined: {reason}"))
        return self._settle(now)

    def _dispatch(self, topic: str, payload: bytes, now: float) -> None:
        topics = self._topics
        if topic == topics.model:
            self._on_announcement(wire.decode(payload, ModelAnnouncement))
        elif topic == topics.plan:
            self._on_plan(wire.decode(payload, Plan), now)
        elif topic == topics.aggregator:
            self._on_aggregator(wire.decode(payload, AggregatorPresence), now)
        elif topic == topics.reply(self._identity.gateway):
            self._on_reply(wire.decode_any(payload, (Want, Receipt)), now)
        elif topic.startswith(f"{topics.root}/blob/") and payload:
            self._on_chunk(topic, wire.decode(payload, Chunk))

    def _on_announcement(self, announcement: ModelAnnouncement) -> None:
        if announcement.artifact != self._identity.artifact:
            self._effects.append(Note("a model of another training artifact was announced"))
        elif self._journal.raise_counter("model-epoch", announcement.epoch):
            self._announced = announcement

    def _on_plan(self, plan: Plan, now: float) -> None:
        if not self._journal.raise_counter("plan-epoch", plan.epoch):
            return
        if self._plan is not None and self._plan.plan != plan.plan:
            self._drop_plan("another plan has come")
        asked = self._identity.gateway in plan.cohort
        open_ = now <= plan.deadline_unix_s and self._working != plan.plan
        if not (asked and open_) or self._journal.has_answered(plan.plan):
            return
        if reason := self._refusal(plan):
            self._effects.append(Note(f"plan {plan.plan} declined: {reason}"))
        else:
            self._plan = plan

    def _refusal(self, plan: Plan) -> str:
        """Say why a plan cannot be answered, before any work goes into it."""
        if plan.artifact != self._identity.artifact:
            return "it is for another training artifact"
        codecs = (STATISTICS_CODEC,) if plan.kind is PlanKind.STATISTICS else codec_names()
        return "" if plan.codec in codecs else f"codec {plan.codec!r} is not known here"

    def _on_aggregator(self, presence: AggregatorPresence, now: float) -> None:
        back = presence.online and presence.birth > self._aggregator_birth
        self._aggregator_birth = max(presence.birth, self._aggregator_birth)
        if back and self._upload is not None:
            self._effects += self._upload.begin(now)

    def _on_reply(self, reply: object, now: float) -> None:
        upload = self._upload
        if upload is None or not isinstance(reply, Want | Receipt):
            return
        if reply.update != upload.offer.update:
            return
        if isinstance(reply, Want):
            self._effects += upload.wanted(reply, now)
        elif reply.status is not ReceiptStatus.RETRY:
            self._journal.settle(reply.update, reply.status)
            if reply.reason:
                self._effects.append(Note(f"update {reply.status}: {reply.reason}"))
            self._upload = None
            self._resume_upload(now)

    def _on_chunk(self, topic: str, chunk: Chunk) -> None:
        download = self._download
        if download is None or chunk.digest != download.reference.digest:
            return
        if topic != self._topics.blob_chunk(chunk.digest, chunk.index):
            raise RemoteProtocolError("chunk", "digest", "not the topic's")
        download.add(chunk)
        if not download.complete:
            return
        self._download = None
        self._effects.append(Unsubscribe(self._topics.blob(chunk.digest)))
        try:
            blob = download.blob()
            model = self._unpack(chunk.digest, blob)
        except RemoteProtocolError:
            self._give_up_blob(chunk.digest)
            raise
        self._journal.keep_model(model.version, chunk.digest, blob)

    def _give_up_blob(self, digest: bytes) -> None:
        """Asking again would bring the same bytes: wait for another announcement or plan."""
        if self._announced is not None and self._announced.model.digest == digest:
            self._announced = None
        if self._plan is not None and self._plan.model and self._plan.model.digest == digest:
            self._plan = None

    def _settle(self, now: float) -> list[Effect]:
        """Do what has become possible, then say the state if it has changed."""
        self._seek_model()
        self._seek_work()
        self._seek_blob(now)
        self._say(now)
        return self._take()

    def _seek_model(self) -> None:
        held = None if self._announced is None else self._held(self._announced.model)
        if held is None:
            return
        self._announced = None
        if self._model is None or held.version > self._model.version:
            self._model = held
            self._effects.append(Install(held))

    def _seek_work(self) -> None:
        plan = self._plan
        if plan is None or self._working is not None:
            return
        model = None if plan.model is None else self._held(plan.model)
        if plan.kind is PlanKind.TRAIN and model is None:
            return
        self._working = plan.plan
        self._effects.append(
            StartWork(plan, model, self._seed(plan), self._correction(plan, model))
        )

    def _drop_plan(self, why: str) -> None:
        if self._plan is not None and self._working == self._plan.plan:
            self._working = None
            self._effects.append(StopWork(self._plan.plan))
            self._effects.append(Note(f"plan {self._plan.plan} given up: {why}"))
        self._plan = None

    def _correction(self, plan: Plan, model: Model | None) -> NDArray[np.float32] | None:
        if model is None or not plan.training.scaffold:
            return None
        variate = self._journal.control_variate()
        return None if variate is None else variate.correction(model.version, model.parameters)

    def _variate(self, plan: Plan, result: Trained) -> ControlVariate | None:
        model = None if plan.model is None else self._held(plan.model)
        reach = reach_of(plan.training, result.steps)
        if model is None or not plan.training.scaffold or reach <= 0:
            return None
        correction = self._correction(plan, model)
        return control_variate(plan.version, model.parameters, result.delta, correction, reach)

    def _journal_update(self, plan: Plan, result: Trained | Summed) -> None:
        loss, variate = 0.0, None
        if isinstance(result, Trained):
            generator = np.random.default_rng((*self._seed(plan), 1))
            payload = codec(plan.codec).compress(result.delta, generator)
            loss, variate = result.loss, self._variate(plan, result)
        else:
            payload = encode_sums(result.sums)
        sequence = self._journal.next_counter("sequence")
        offer = UpdateOffer(
            UpdateId(plan.plan, plan.version, self._identity.gateway, sequence),
            plan.codec,
            result.num_examples,
            loss,
            refer(payload, self._identity.chunk_bytes),
        )
        self._journal.add_update(offer, payload, variate)

    def _resume_upload(self, now: float) -> None:
        if self._upload is None and (pending := self._journal.pending()) is not None:
            self._upload = Upload(self._topics, *pending)
        if self._upload is not None and self._connected:
            self._effects += self._upload.begin(now)

    def _held(self, reference: BlobReference) -> Model | None:
        if self._model is not None and self._model.digest == reference.digest:
            return self._model
        blob = self._journal.model(reference.digest)
        return None if blob is None else self._unpack(reference.digest, blob)

    def _seek_blob(self, now: float) -> None:
        """Fetch what is wanted and not held: one blob at a time, and to its end while wanted."""
        wanted = self._wanted()
        if self._download is not None:
            if self._download.reference in wanted:
                return
            self._effects.append(Unsubscribe(self._topics.blob(self._download.reference.digest)))
            self._download = None
        if wanted:
            self._download = Assembly(wanted[0])
            self._subscribe_blob(wanted[0], now)

    def _wanted(self) -> list[BlobReference]:
        """A plan's base first, for it has a deadline. What is held was acted on already."""
        wanted = []
        if self._plan is not None and self._plan.model and self._working is None:
            wanted.append(self._plan.model)
        if self._announced is not None:
            wanted.append(self._announced.model)
        return wanted

    def _subscribe_blob(self, reference: BlobReference, now: float) -> None:
        self._download_retry_at = now + _DOWNLOAD_RETRY_S
        if self._connected:
            self._effects.append(Subscribe(self._topics.blob(reference.digest)))

    def _stored_model(self) -> Model | None:
        stored = self._journal.latest_model()
        try:
            return None if stored is None else self._unpack(*stored)
        except RemoteProtocolError as error:
            self._effects.append(Note(f"the stored model is not usable: {error}"))
            return None

    def _unpack(self, digest: bytes, blob: bytes) -> Model:
        identity = self._identity
        return Model(digest, *unpack_model(blob, identity.artifact, identity.parameters))

    def _seed(self, plan: Plan) -> tuple[int, int]:
        return plan.seed, crc32(self._identity.gateway.encode())

    def _say(self, now: float) -> None:
        state = (self.state, self._examples, self.version)
        if self._connected and self._news(state):
            self._said = state
            self._heartbeat_at = now + _HEARTBEAT_S
            self._effects.append(self._presence(self.state))

    def _news(self, state: tuple[GatewayState, int, int | None]) -> bool:
        """Whether a state is worth a message: not one more example, but a tenth more is."""
        if self._said is None:
            return True
        (phase, examples, version), (old_phase, old_examples, old_version) = state, self._said
        grown = examples >= 1.1 * old_examples + 1
        return (phase, version) != (old_phase, old_version) or grown or examples < old_examples

    def _presence(self, state: GatewayState) -> Publish:
        message = GatewayPresence(
            self._identity.gateway,
            self._birth,
            state,
            self._identity.artifact,
            self._examples,
            self.version,
            self.received_bytes,
            self.sent_bytes,
        )
        topic = self._topics.presence(self._identity.gateway)
        return Publish(topic, wire.encode(message), retain=True)

    def _take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        self.sent_bytes += sum(len(e.payload) for e in effects if isinstance(e, Publish))
        return effects
