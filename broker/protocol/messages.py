"""Every message of the exchange, version 1.

Aggregator to all gateways (retained): :class:`ModelAnnouncement`, :class:`Plan`,
:class:`AggregatorPresence`. Aggregator to one gateway: :class:`Receipt`, :class:`Want`,
:class:`IdentityConflict`.
Gateway to aggregator: :class:`GatewayPresence` (retained, and the will), :class:`UpdateOffer`,
:class:`SmallUpdate`.
Either way: :class:`Chunk`, a piece of a content-addressed blob. A model travels as such a blob
(:class:`ModelBlob`), or as steps to it from one that is held (:class:`ModelDelta`), an update as
the encoded delta.

All but chunks are signed (:mod:`broker.protocol.sealed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from broker.protocol.cohort import Cohort
from broker.protocol.wire import Bound, message_type

MAX_PARAMETERS = 16_000_000
# With its envelope a chunk stays within 128 KiB, the smallest common broker limit (AWS IoT Core).
MAX_CHUNK_BYTES = 128 * 1024 - 256
MAX_BLOB_BYTES = 4 * MAX_PARAMETERS + 65_536
MAX_TIERS = 16
MAX_LINKS = 16
# Of a payload that travels with its offer in one message: all of it fits an Ethernet frame.
MAX_INLINE_BYTES = 1024
MAX_DELTAS = 16
MAX_CHANNELS = 1024
# The largest blob in chunks of 1 KiB. Who cuts finer would make us count pieces, not bytes.
MAX_CHUNKS = 65_536
MAX_BITMAP_BYTES = MAX_CHUNKS // 8
MAX_OBSTACLES = 16
MAX_TWINS = 16
# The obstacle of a gateway that has been told of its twin.
TWIN_OBSTACLE = "twin"

Name = Annotated[str, Bound(1, 64)]
Text = Annotated[str, Bound(0, 256)]
Digest = Annotated[bytes, Bound(32, 32)]
PublicKey = Annotated[bytes, Bound(32, 32)]
SessionId = Annotated[bytes, Bound(8, 8)]
UnixSeconds = Annotated[float, Bound(0, 1e11)]
Counter = Annotated[int, Bound(0, 2**53)]
Size = Annotated[int, Bound(1, MAX_BLOB_BYTES)]
ChunkBytes = Annotated[int, Bound(1, MAX_CHUNK_BYTES)]
ChunkIndex = Annotated[int, Bound(0, MAX_BLOB_BYTES)]
Seconds = Annotated[float, Bound(0, 1e7)]
Bitmap = Annotated[bytes, Bound(1, MAX_BITMAP_BYTES)]


class PlanKind(StrEnum):
    """What a plan asks for."""

    STATISTICS = "statistics"  # sums per channel, from which the normalisation is made
    TRAIN = "train"


class GatewayState(StrEnum):
    """What a gateway says of itself."""

    OFFLINE = "offline"
    COLLECTING = "collecting"
    READY = "ready"
    DOWNLOADING = "downloading"
    TRAINING = "training"
    UPLOADING = "uploading"


class ReceiptStatus(StrEnum):
    """The aggregator's word on an update. All but RETRY are final."""

    ACCEPTED = "accepted"  # durable, and counted once
    DUPLICATE = "duplicate"  # durable already
    STALE = "stale"  # it comes too late to count for any version
    REJECTED = "rejected"  # malformed or not asked for; ``rejected`` says which
    RETRY = "retry"  # offer it again, not before ``retry_after_s``; ``retry`` says why


class RejectReason(StrEnum):
    """Why an update is never taken."""

    UNKNOWN_PLAN = "unknown-plan"
    NOT_ASKED = "not-asked"
    WRONG_BASE = "wrong-base"
    WRONG_CODEC = "wrong-codec"
    WRONG_MODE = "wrong-mode"
    TOO_FEW_EXAMPLES = "too-few-examples"
    TOO_LARGE = "too-large"
    MALFORMED = "malformed"


class RetryReason(StrEnum):
    """Why an update is not taken now."""

    RECOVERING = "recovering"  # the aggregator is reading its log after a restart
    BUSY = "busy"  # as many uploads as it takes are coming in
    FULL = "full"  # updates that have come in part take all the room that there is
    PACED = "paced"  # no round is open; one will be


@dataclass(frozen=True, slots=True)
class UpdateId:
    """Names one update for ever: sending it twice is harmless, folding it twice impossible."""

    plan: Name
    version: Counter
    gateway: Name
    sequence: Counter


@dataclass(frozen=True, slots=True)
class BlobReference:
    """A content-addressed blob and how it is cut: SHA-256, bytes in all, bytes a chunk."""

    digest: Digest
    size: Size
    chunk_bytes: ChunkBytes

    def __post_init__(self) -> None:
        if self.chunks > MAX_CHUNKS:
            raise ValueError(f"{self.chunks} chunks, at most {MAX_CHUNKS}")

    @property
    def chunks(self) -> int:
        """Number of chunks; the last may be short."""
        return -(-self.size // self.chunk_bytes)


@dataclass(frozen=True, slots=True)
class DeltaReference:
    """A step from one model version to the next.

    Attributes:
        version: that it begins with.
        base: SHA-256 of that version's blob.
        blob: the step, a :class:`ModelDelta`.
    """

    version: Counter
    base: Digest
    blob: BlobReference


Deltas = Annotated[tuple[DeltaReference, ...], Bound(0, MAX_DELTAS)]


class Mode(StrEnum):
    """Which of a model's layers a gateway trains."""

    FULL = "full"  # all
    HEAD = "head"  # the last, on what int8 inference of the others gives
    SPARSE = "sparse"  # those that the artifact names (after Lin et al. 2022, arXiv:2206.15472)


@dataclass(frozen=True, slots=True)
class TierMode:
    """Gateways of a capability tier train in this mode."""

    tier: Name
    mode: Mode


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How to train locally: FedAvg (McMahan et al. 2017).

    Attributes:
        modes: what gateways of which tier train; a tier that is not there trains all.
        mu: weight of FedProx's proximal term (Li et al. 2020); 0 is none.
        scaffold: correct each step for how this gateway's gradient differs from the others'
            (Karimireddy et al. 2020), as far as the gateway can tell.
        rotation_deg, scaling: how far windows of vector sensors are turned and scaled at random,
            anew for each step (Um et al. 2017); 0 is not at all.
    """

    local_epochs: Annotated[int, Bound(1, 10_000)]
    learning_rate: Annotated[float, Bound(0, 1000)]
    momentum: Annotated[float, Bound(0, 0.9999)]
    mu: Annotated[float, Bound(0, 1000)]
    scaffold: bool = False
    rotation_deg: Annotated[float, Bound(0, 180)] = 0.0
    scaling: Annotated[float, Bound(0, 1)] = 0.0
    modes: Annotated[tuple[TierMode, ...], Bound(0, MAX_TIERS)] = ()

    def mode_of(self, tier: str) -> Mode:
        """What gateways of a tier train."""
        return next((found.mode for found in self.modes if found.tier == tier), Mode.FULL)


@dataclass(frozen=True, slots=True)
class LinkCodec:
    """Gateways behind a link of this class use this codec."""

    link: Name
    codec: Name


@message_type("plan")
@dataclass(frozen=True, slots=True)
class Plan:
    """What the aggregator asks of a cohort.

    Attributes:
        epoch: grows with every plan and announcement; a lower one than seen is refused, for a
            broker that was killed may replay an old retained message.
        artifact: SHA-256 of the training artifact that the parameters belong to.
        version: model version to start from; its parameters are in ``model``.
        model: blob of the base model; ``None`` for a statistics plan.
        deltas: steps that lead to it, each from where the one before it ends.
        cohort: the gateways that are asked.
        codec: of the updates, unless ``links`` has another for the gateway's class of link.
        min_examples: a gateway with fewer declines.
        deadline_unix_s: the round ends no later.
        seed: of everything random that the plan causes.
        staleness_cap: the update still counts, discounted, when so many versions have been
            committed since its base.
    """

    epoch: Counter
    plan: Name
    kind: PlanKind
    artifact: Digest
    version: Counter
    model: BlobReference | None
    cohort: Cohort
    codec: Name
    training: TrainingPlan
    min_examples: Counter
    deadline_unix_s: UnixSeconds
    seed: Annotated[int, Bound(0, 2**63 - 1)]
    staleness_cap: Annotated[int, Bound(0, 1000)] = 0
    links: Annotated[tuple[LinkCodec, ...], Bound(0, MAX_LINKS)] = ()
    deltas: Deltas = ()

    @property
    def codecs(self) -> tuple[str, ...]:
        """Every codec that an update may have."""
        return self.codec, *(found.codec for found in self.links)

    def codec_of(self, link: str) -> str:
        """The codec of gateways behind a link of this class."""
        return next((found.codec for found in self.links if found.link == link), self.codec)

    def __post_init__(self) -> None:
        if (self.kind is PlanKind.TRAIN) != (self.model is not None):
            raise ValueError(
                f"a plan of kind {self.kind} {'has' if self.model else 'lacks'} a model"
            )


@message_type("model")
@dataclass(frozen=True, slots=True)
class ModelAnnouncement:
    """The newest committed version, for every gateway of the population.

    Attributes:
        epoch: grows with every announcement; a lower one than seen is refused.
        cohort, reported: how many gateways were asked for it, and how many gave an update.
        deltas: steps that lead to it, each from where the one before it ends.
    """

    epoch: Counter
    version: Counter
    artifact: Digest
    model: BlobReference
    cohort: Counter
    reported: Counter
    deltas: Deltas = ()


@message_type("model-blob", MAX_BLOB_BYTES)
@dataclass(frozen=True, slots=True)
class ModelBlob:
    """What a model's blob holds: float32 little-endian parameters and the normalisation."""

    version: Counter
    artifact: Digest
    mean: Annotated[tuple[Annotated[float, Bound(-1e30, 1e30)], ...], Bound(0, MAX_CHANNELS)]
    std: Annotated[tuple[Annotated[float, Bound(0, 1e30)], ...], Bound(0, MAX_CHANNELS)]
    parameters: Annotated[bytes, Bound(4, 4 * MAX_PARAMETERS)]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} standard deviations")
        if len(self.parameters) % 4:
            raise ValueError(f"{len(self.parameters)} bytes of parameters are not float32")


@message_type("model-delta", MAX_BLOB_BYTES)
@dataclass(frozen=True, slots=True)
class ModelDelta:
    """What the blob of a step holds: the compressed change of the parameters.

    Attributes:
        base: SHA-256 of the model's blob that it is to be applied to.
        codec: that wrote the payload; its shared seed is the version that the step leads to.
    """

    base: Digest
    codec: Name
    payload: Annotated[bytes, Bound(1, MAX_BLOB_BYTES)]


@message_type("gateway-presence")
@dataclass(frozen=True, slots=True)
class GatewayPresence:
    """What a gateway says of itself, retained; the will says OFFLINE with the same birth.

    Attributes:
        birth: number of this session; an older death is ignored (as Sparkplug's bdSeq).
        session: drawn when the process began; two of them at once are two gateways of one name.
        key: the gateway's Ed25519 public key, which this message is signed with.
        examples: labelled examples that the gateway could train on; never the examples.
        version: the version that it infers with, or ``None``.
        received_bytes, sent_bytes: MQTT payload bytes since this birth.
        obstacles: why it takes no part for now, such as ``"battery"``; it is not asked.
        held: the newest version that it has; above ``version`` while that is checked, and for good
            where the check failed.
        unix_s: when it said so, as far as it knows; 0 in a will.
        link: class of its link, by which a plan may name its codec.
        spent_bytes: over the link since midnight UTC, both ways, as its daily budget counts them.
    """

    gateway: Name
    birth: Counter
    session: SessionId
    key: PublicKey
    state: GatewayState
    artifact: Digest
    examples: Counter
    version: Counter | None
    received_bytes: Counter
    sent_bytes: Counter
    obstacles: Annotated[tuple[Name, ...], Bound(0, MAX_OBSTACLES)] = ()
    held: Counter | None = None
    unix_s: UnixSeconds = 0.0
    link: Name = "other"
    spent_bytes: Counter = 0


@message_type("aggregator-presence")
@dataclass(frozen=True, slots=True)
class AggregatorPresence:
    """Whether the aggregator is there; a new birth tells gateways to offer again at once.

    Attributes:
        key: the aggregator's Ed25519 public key, which this message is signed with.
        pace_s: gateways spread what they send after a restart over so many seconds.
    """

    birth: Counter
    key: PublicKey
    online: bool
    pace_s: Seconds = 0.0


@message_type("round-abandoned")
@dataclass(frozen=True, slots=True)
class RoundAbandonment:
    """A plan's round has missed its minimum; what was reported counts in the next one.

    Attributes:
        reported: updates that had come.
        retry_after_s: when the next round may open.
    """

    epoch: Counter
    plan: Name
    reported: Counter
    retry_after_s: Seconds


# It was b"" wherever an earlier version kept an offer: the payload is kept beside it.
@message_type("update-offer", gone=("inline",))
@dataclass(frozen=True, slots=True)
class UpdateOffer:
    """The envelope of an update whose payload travels as chunks of ``payload``.

    Attributes:
        mode: what was trained; the payload holds only the coordinates that it touches.
        share: of the local steps that the plan asked for, those that were taken.
    """

    update: UpdateId
    codec: Name
    num_examples: Annotated[int, Bound(1, 2**40)]
    loss: Annotated[float, Bound(-1e30, 1e30)]
    payload: BlobReference
    mode: Mode = Mode.FULL
    share: Annotated[float, Bound(1e-6, 1)] = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """What is not as usual: another mode than ``full``, or a share of the steps."""

    mode: Mode
    share: Annotated[float, Bound(1e-6, 1)]


@message_type("small")
@dataclass(frozen=True, slots=True)
class SmallUpdate:
    """An update whose payload is at most ``MAX_INLINE_BYTES``.

    Attributes:
        plan, base, seq: of its :class:`UpdateId`, with the topic's gateway.
        codec: CRC-32 of the codec's text, which is one of the plan's.
        n: number of examples.
        loss: as a float16 where that can hold it; it is for people.
        part: of an offer, mode and share where they are not ``full`` and 1.
        data: the payload.
    """

    plan: Name
    base: Counter
    seq: Counter
    codec: Annotated[int, Bound(0, 2**32 - 1)]
    n: Annotated[int, Bound(1, 2**40)]
    loss: Annotated[float, Bound(-1e30, 1e30)]
    data: Annotated[bytes, Bound(1, MAX_INLINE_BYTES)]
    part: Part | None = None


@message_type("want")
@dataclass(frozen=True, slots=True)
class Want:
    """The chunks of an offered update that the aggregator does not have, as a bitmap.

    Bit i (least significant first in each byte) set: send chunk i.
    """

    update: UpdateId
    digest: Digest
    missing: Bitmap


@message_type("receipt")
@dataclass(frozen=True, slots=True)
class Receipt:
    """The aggregator's final word on an update, or when to offer it again.

    Attributes:
        detail: for people.
        retry_after_s: from its arrival, on the gateway's own clock, which may be wrong.
    """

    update: UpdateId
    status: ReceiptStatus
    rejected: RejectReason | None = None
    retry: RetryReason | None = None
    detail: Text = ""
    retry_after_s: Seconds = 0.0

    def __post_init__(self) -> None:
        if (self.status is ReceiptStatus.REJECTED) != (self.rejected is not None):
            raise ValueError(f"a receipt {self.status} with rejected={self.rejected}")
        if (self.status is ReceiptStatus.RETRY) != (self.retry is not None):
            raise ValueError(f"a receipt {self.status} with retry={self.retry}")


@message_type("clock-notice")
@dataclass(frozen=True, slots=True)
class ClockNotice:
    """To a gateway whose clock is off: its own ``unix_s``, and the aggregator's at that moment."""

    echo_unix_s: UnixSeconds
    unix_s: UnixSeconds


@message_type("identity-conflict")
@dataclass(frozen=True, slots=True)
class IdentityConflict:
    """Several agents speak for this gateway, with its name and its key.

    Attributes:
        sessions: theirs, as their presences name them.
    """

    gateway: Name
    sessions: Annotated[tuple[SessionId, ...], Bound(2, MAX_TWINS)]


@message_type("chunk")
@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a blob. The topic names the blob and the index too; they must agree."""

    digest: Digest
    index: ChunkIndex
    data: Annotated[bytes, Bound(1, MAX_CHUNK_BYTES)]
