"""What an agent is told once: who it is, what it reads, what it trains, when it alerts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from broker.protocol.messages import MAX_CHUNK_BYTES
from broker.settings import BrokerSettings, SettingError, require_range, require_topic_name
from edge_agent.check_settings import CheckSettings
from edge_agent.eligibility import EligibilitySettings
from edge_agent.link_settings import LinkSettings
from edge_agent.quality_settings import QualitySettings
from edge_agent.sensor_settings import SensorSettings

_KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How readings become windows.

    Attributes:
        hop: readings from one window's start to the next one's; 0 is half a window.
        max_gap: readings that may be missing in a row and still be interpolated.
        max_filled: windows with a larger share of interpolated readings are not trained on.
    """

    hop: int = 0
    max_gap: int = 5
    max_filled: float = 0.1

    def __post_init__(self) -> None:
        require_range("window.hop", self.hop, 0, 1_000_000)
        require_range("window.max_gap", self.max_gap, 0, 10_000)
        require_range("window.max_filled", self.max_filled, 0, 1)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When the gateway alerts, locally, whatever the link does.

    Attributes:
        classes: predictions that are worth an alert; none by default.
        min_probability: and how sure the model must be (a raw score for svm).
        consecutive: windows in a row that must say so.
        anomaly_score: for an autoencoder: mean squared error above which a window is an anomaly;
            0 never alerts.
        below, above: for a forecast: predicted values, in the unit of the target's channel, that
            are worth an alert.
    """

    classes: tuple[str, ...] = ()
    min_probability: float = 0.8
    consecutive: int = 2
    anomaly_score: float = 0.0
    below: float | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        require_range("alert.min_probability", self.min_probability, -1e6, 1e6)
        require_range("alert.consecutive", self.consecutive, 1, 1000)
        require_range("alert.anomaly_score", self.anomaly_score, 0, 1e9)
        for key in ("below", "above"):
            if (limit := getattr(self, key)) is not None:
                require_range(f"alert.{key}", limit, -1e9, 1e9)
        if self.below is not None and self.above is not None and self.below >= self.above:
            raise SettingError("alert.above", f"{self.above:g} is not above below, {self.below:g}")


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything that an agent is told.

    Attributes:
        population: whose federation this gateway is part of.
        gateway: its name there; stable for ever, for updates are counted by it.
        model: a folder with an artifact, or the name of one that ships with perfuse.
        state_dir: where examples, journal, alerts and the secret key are kept.
        aggregator_key: the aggregator's public key, 64 hexadecimal digits; the first one that is
            met is trusted when empty.
        tier: what this machine can do, in a word; plans say which layers such gateways train. The
            aggregator knows ``"full"``, ``"head"`` and ``"sparse"`` unless it is told otherwise.
        example_capacity: windows kept at most.
        chunk_bytes: bytes of a chunk of an upload; small ones lose less on a bad link.
        journal_bytes: updates that may wait for their receipt; when full the oldest goes.

    Raises:
        SettingError: a value that cannot be, by its key.
    """

    population: str
    gateway: str
    model: str
    state_dir: str
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    sensor: tuple[SensorSettings, ...] = ()
    window: WindowSettings = field(default_factory=WindowSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    alert: AlertSettings = field(default_factory=AlertSettings)
    eligibility: EligibilitySettings = field(default_factory=EligibilitySettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    check: CheckSettings = field(default_factory=CheckSettings)
    aggregator_key: str = ""
    tier: str = "full"
    example_capacity: int = 4096
    chunk_bytes: int = 32 * 1024
    journal_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for key in ("population", "gateway", "tier"):
            require_topic_name(key, getattr(self, key))
        names = [sensor.name for sensor in self.sensor]
        if len(set(names)) != len(names):
            raise SettingError("sensor.name", "two sensors have one name")
        if ble := [sensor for sensor in self.sensor if sensor.kind == "ble"]:
            from edge_agent.ble_settings import require_apart  # noqa: PLC0415  # as above

            require_apart(ble)
        if self.aggregator_key and not _KEY.fullmatch(self.aggregator_key):
            raise SettingError("aggregator_key", "expected 64 hexadecimal digits")
        require_range("example_capacity", self.example_capacity, 1, 10**7)
        require_range("chunk_bytes", self.chunk_bytes, 256, MAX_CHUNK_BYTES)
        require_range("journal_bytes", self.journal_bytes, 64 * 1024, 2**40)
