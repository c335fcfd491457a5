"""What an aggregator is told once: the population, the task and how its rounds go."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from broker.protocol.cohort import MAX_COHORT
from broker.protocol.compression import DEFAULT_CODEC, DEFAULT_MODEL_CODEC, codec
from broker.protocol.errors import LocalProtocolError
from broker.protocol.messages import (
    MAX_CHUNK_BYTES,
    MAX_LINKS,
    MAX_TIERS,
    LinkCodec,
    Mode,
    TierMode,
    TrainingPlan,
)
from broker.settings import BrokerSettings, SettingError, require_range, require_topic_name

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True, slots=True)
class RoundSettings:
    """How rounds go.

    Attributes:
        rounds: stop after so many committed training rounds; 0 goes on for ever.
        cohort: updates that a round is for, and gateways that it asks; 0 asks all that are ready,
            up to the protocol's 20,000.
        over_selection: share of the cohort that is asked beyond it; the round commits when as many
            as the cohort have reported.
        buffer: commit when so many updates are in, of this plan or earlier ones; 0 waits for the
            cohort. Gateways that have reported get a further plan at once.
        staleness_cap: an update counts when at most so many versions were committed since its base.
        staleness_power: and with weight (1 + versions) ** -power.
        min_gateways: ready gateways to wait for before a round opens.
        min_reports: updates without which a round is abandoned at its deadline.
        deadline_s: how long a round may take.
        backoff_s: wait after an abandoned round, twice as long after each further one.
        max_uploads: uploads that come in at once; whoever is too many is told to come back.
        upload_bytes: of all updates that have come in part; those that came to a halt give way.
        arrivals_per_s: gateways that are welcome each second after a restart; they spread so.
        min_examples: labelled examples without which a gateway is not asked.
    """

    rounds: int = 0
    cohort: int = 0
    min_gateways: int = 2
    min_reports: int = 2
    deadline_s: float = 600.0
    min_examples: int = 32
    over_selection: float = 0.0
    buffer: int = 0
    staleness_cap: int = 0
    staleness_power: float = 0.5
    backoff_s: float = 5.0
    max_uploads: int = 1000
    upload_bytes: int = 1 << 30
    arrivals_per_s: float = 50.0

    def __post_init__(self) -> None:
        require_range("rounds.rounds", self.rounds, 0, 10**6)
        require_range("rounds.cohort", self.cohort, 0, MAX_COHORT)
        require_range("rounds.min_gateways", self.min_gateways, 1, MAX_COHORT)
        require_range("rounds.min_reports", self.min_reports, 1, MAX_COHORT)
        require_range("rounds.deadline_s", self.deadline_s, 1, 30 * 86400)
        require_range("rounds.min_examples", self.min_examples, 1, 10**9)
        require_range("rounds.over_selection", self.over_selection, 0, 10)
        require_range("rounds.buffer", self.buffer, 0, MAX_COHORT)
        require_range("rounds.staleness_cap", self.staleness_cap, 0, 1000)
        require_range("rounds.staleness_power", self.staleness_power, 0, 10)
        require_range("rounds.backoff_s", self.backoff_s, 0, 3600)
        require_range("rounds.max_uploads", self.max_uploads, 1, 10**6)
        require_range("rounds.upload_bytes", self.upload_bytes, 1 << 10, 1 << 40)
        require_range("rounds.arrivals_per_s", self.arrivals_per_s, 0.01, 1e6)
        if self.over_selection and not self.cohort:
            raise SettingError("rounds.over_selection", "needs rounds.cohort, its goal")
        if self.buffer and self.min_reports > self.buffer:
            raise SettingError("rounds.min_reports", f"more than the buffer of {self.buffer}")
        if self.cohort and self.min_reports > self.cohort:
            raise SettingError("rounds.min_reports", f"more than the cohort of {self.cohort}")
        if self.min_reports > self.min_gateways:
            raise SettingError("rounds.min_reports", f"more than min_gateways {self.min_gateways}")


@dataclass(frozen=True, slots=True)
class TierSettings:
    """Gateways of a capability tier, and what they train.

    Attributes:
        tier: as the gateways' own settings name it.
        mode: ``"full"``, ``"head"`` or ``"sparse"``; see docs/models.md.
    """

    tier: str
    mode: str

    def __post_init__(self) -> None:
        require_topic_name("training.tiers.tier", self.tier)
        if self.mode not in tuple(Mode):
            raise SettingError(
                "training.tiers.mode", f"{self.mode!r} is not one of {', '.join(Mode)}"
            )


@dataclass(frozen=True, slots=True)
class LinkCodecSettings:
    """Gateways behind a class of link, and the codec of their updates.

    Attributes:
        link: as the gateways' own settings name it (``link.kind``), or as their machines tell it.
        codec: a chain as in docs/compression.md.
    """

    link: str
    codec: str

    def __post_init__(self) -> None:
        require_topic_name("training.links.link", self.link)
        _require_codec("training.links.codec", self.codec)


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """What a plan asks of local training: epochs over the examples, SGD with momentum.

    Attributes:
        local_epochs: passes over a gateway's examples in a round.
        learning_rate: of the first round.
        schedule: ``"constant"``, or ``"cosine"`` down to a twentieth over a known number of rounds.
        momentum: of SGD.
        mu: weight of FedProx's proximal term; 0 is none.
        scaffold: whether gateways correct their steps by control variates; costs no bytes, and
            helps where they have similar numbers of examples.
        rotation_deg: standard deviation of the angle by which a training window's vectors are
            turned at random; see :mod:`edge_agent.augmentation`.
        scaling: standard deviation of the logarithm of a training window's random gain.
        server_momentum: share of a version's step that the next one takes again; see
            :mod:`broker.aggregator.server_momentum`.
        codec: of the updates; see :mod:`broker.protocol.compression`.
        model_codec: of the steps from version to version, which gateways may fetch instead of whole
            models; ``"none"`` publishes whole models alone.
        tiers: what gateways of which tier train; a tier that is not there trains all.
        links: codecs of gateways behind some classes of links; ``codec`` is for all others.
    """

    local_epochs: int = 1
    learning_rate: float = 0.04
    schedule: str = "cosine"
    momentum: float = 0.9
    mu: float = 0.0
    scaffold: bool = False
    rotation_deg: float = 15.0
    scaling: float = 0.1
    server_momentum: float = 0.6
    codec: str = DEFAULT_CODEC
    model_codec: str = DEFAULT_MODEL_CODEC
    tiers: tuple[TierSettings, ...] = (
        TierSettings("head", Mode.HEAD),
        TierSettings("sparse", Mode.SPARSE),
    )
    links: tuple[LinkCodecSettings, ...] = ()

    def __post_init__(self) -> None:
        require_range("training.local_epochs", self.local_epochs, 1, 10_000)
        require_range("training.learning_rate", self.learning_rate, 1e-8, 1000)
        if self.schedule not in SCHEDULES:
            raise SettingError(
                "training.schedule", f"{self.schedule!r} is not one of {', '.join(SCHEDULES)}"
            )
        require_range("training.momentum", self.momentum, 0, 0.9999)
        require_range("training.mu", self.mu, 0, 1000)
        require_range("training.rotation_deg", self.rotation_deg, 0, 180)
        require_range("training.scaling", self.scaling, 0, 1)
        require_range("training.server_momentum", self.server_momentum, 0, 0.9999)
        if len({found.tier for found in self.tiers}) != len(self.tiers):
            raise SettingError("training.tiers", "a tier is named twice")
        if len(self.tiers) > MAX_TIERS:
            raise SettingError("training.tiers", f"{len(self.tiers)}, at most {MAX_TIERS}")
        if len({found.link for found in self.links}) != len(self.links):
            raise SettingError("training.links", "a class of link is named twice")
        if len(self.links) > MAX_LINKS:
            raise SettingError("training.links", f"{len(self.links)}, at most {MAX_LINKS}")
        _require_codec("training.codec", self.codec)
        _require_codec("training.model_codec", self.model_codec)

    def link_codecs(self) -> tuple[LinkCodec, ...]:
        """Return which codec a plan names for which class of link."""
        return tuple(LinkCodec(found.link, found.codec) for found in self.links)

    def plan(self, done: int, rounds: int) -> TrainingPlan:
        """Return what gateways are told in a round after ``done`` of ``rounds``."""
        return TrainingPlan(
            self.local_epochs,
            self.learning_rate_at(done, rounds),
            self.momentum,
            self.mu,
            self.scaffold,
            self.rotation_deg,
            self.scaling,
            tuple(TierMode(found.tier, Mode(found.mode)) for found in self.tiers),
        )

    def learning_rate_at(self, done: int, rounds: int) -> float:
        """Return the learning rate of a round after ``done`` of ``rounds``; 0 rounds is endless."""
        if self.schedule == "constant" or rounds <= 1:
            return self.learning_rate
        share = min(done / (rounds - 1), 1.0)
        return self.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)


@dataclass(frozen=True, slots=True)
class AggregatorSettings:
    """Everything that the aggregator's core is told.

    Raises:
        SettingError: a value that cannot be, by its key.
    """

    population: str
    rounds: RoundSettings = field(default_factory=RoundSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    chunk_bytes: int = 32 * 1024
    seed: int = 0

    def __post_init__(self) -> None:
        require_topic_name("population", self.population)
        require_range("chunk_bytes", self.chunk_bytes, 256, MAX_CHUNK_BYTES)
        require_range("seed", self.seed, 0, 2**62)


@dataclass(frozen=True, slots=True)
class GatewaysSettings:
    """Who may take part.

    Attributes:
        keys_file: a file with the name and the public key of each gateway that may, one a line;
            every gateway may when empty, and is known from then on by the key that it shows first.
    """

    keys_file: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything that an aggregator process is told.

    Attributes:
        population: whose federation it runs.
        model: a folder with an artifact, or the name of one that ships with perfuse.
        state_dir: where the round log and the secret key are kept.
        chunk_bytes: bytes of a chunk of a model; small ones lose less on a bad link.
        seed: of everything random that it decides.

    Raises:
        SettingError: a value that cannot be, by its key.
    """

    population: str
    model: str
    state_dir: str
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    rounds: RoundSettings = field(default_factory=RoundSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    gateways: GatewaysSettings = field(default_factory=GatewaysSettings)
    chunk_bytes: int = 32 * 1024
    seed: int = 0

    def __post_init__(self) -> None:
        self.core()

    def core(self) -> AggregatorSettings:
        """Return what the coordinator is told."""
        return AggregatorSettings(
            self.population, self.rounds, self.training, self.chunk_bytes, self.seed
        )


def _require_codec(key: str, text: str) -> None:
    try:
        codec(text)
    except LocalProtocolError as error:
        raise SettingError(key, str(error)) from error
