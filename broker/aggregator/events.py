"""What the aggregator says aloud; services log it, the demo draws it."""

from __future__ import annotations

from dataclasses import dataclass

from broker.protocol.messages import PlanKind


@dataclass(frozen=True, slots=True)
class RoundOpened:
    """A plan went out to a cohort."""

    round: int
    kind: PlanKind
    cohort: int


@dataclass(frozen=True, slots=True)
class UpdateAccepted:
    """An update is durable and folded; ``share`` is of the steps that its plan asked for."""

    round: int
    gateway: str
    num_examples: int
    loss: float
    payload_bytes: int
    staleness: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class UpdateRefused:
    """An update was answered with stale or rejected."""

    gateway: str
    reason: str


@dataclass(frozen=True, slots=True)
class UpdateUnreadable:
    """An update that was accepted before a restart cannot be read any more, and counts in none."""

    round: int
    gateway: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoundCommitted:
    """A round made a model version."""

    round: int
    kind: PlanKind
    version: int
    cohort: int
    reported: int


@dataclass(frozen=True, slots=True)
class RoundAbandoned:
    """A round missed its minimum; what was reported counts when it is tried again."""

    round: int
    cohort: int
    reported: int
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A message that no strict decoder accepts was dropped whole."""

    topic: str
    reason: str


@dataclass(frozen=True, slots=True)
class GatewayRefused:
    """A gateway is not let in, for the key that it shows."""

    gateway: str
    reason: str


@dataclass(frozen=True, slots=True)
class GatewayDoubled:
    """So many agents use one gateway's name and key at once; all of them are told."""

    gateway: str
    agents: int


@dataclass(frozen=True, slots=True)
class GatewayRestored:
    """A gateway counts its starts from ``birth`` again, though start ``before`` was heard of."""

    gateway: str
    birth: int
    before: int


Event = (
    RoundOpened
    | UpdateAccepted
    | UpdateRefused
    | UpdateUnreadable
    | RoundCommitted
    | RoundAbandoned
    | MessageRefused
    | GatewayRefused
    | GatewayDoubled
    | GatewayRestored
)
