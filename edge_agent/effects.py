"""What a gateway's core is made of and asks for: who it is, its models, and effects. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression import Layout, Shared
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.messages import Mode, Plan
from models.coordinates import Coordinates
from models.normalisation import Normalisation


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
        mode: which layers to train.
    """

    plan: Plan
    model: Model | None
    seed: tuple[int, int]
    correction: NDArray[np.float32] | None = None
    mode: Mode = Mode.FULL


@dataclass(frozen=True, slots=True)
class StopWork:
    """The plan that is being worked on was overtaken."""

    plan: str


@dataclass(frozen=True, slots=True)
class PauseWork:
    """The plan's work rests where it stands; :class:`StartWork` takes it up again."""

    plan: str


@dataclass(frozen=True, slots=True)
class FinishWork:
    """The plan's time is nearly over: what was learnt so far is to be handed in."""

    plan: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line in the gateway's log, at one of the levels of :mod:`logging`."""

    text: str
    level: int = logging.INFO


Effect = (
    Publish
    | Subscribe
    | Unsubscribe
    | Install
    | StartWork
    | StopWork
    | PauseWork
    | FinishWork
    | Note
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gateway is, and what it can train.

    Attributes:
        artifact: SHA-256 of the training artifact that it holds.
        parameters: P, the length of the artifact's parameter vector.
        chunk_bytes: bytes of a chunk of its uploads.
        tier: what its machine can do; a plan says in which mode such gateways train.
        touched: the modes beside full that the artifact has, and what they change.
        layout: of the parameter vector; ``None``: one block.
        link: class of its link, until it is told another.
        quiet: whether its presence says only what the aggregator needs.
    """

    population: str
    gateway: str
    artifact: bytes
    parameters: int
    chunk_bytes: int = 32 * 1024
    tier: str = Mode.FULL
    touched: Mapping[str, Coordinates] = field(default_factory=dict)
    layout: Layout | None = None
    link: str = "other"
    quiet: bool = False

    def shared(self, seed: int, mode: str = Mode.FULL) -> Shared:
        """Return what codecs know of an update of the plan with this seed, trained in this mode."""
        if mode in self.touched:
            return Shared(Layout.of(self.touched[mode].layout), seed)
        return Shared(self.layout or Layout.plain(self.parameters), seed)
