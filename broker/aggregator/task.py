"""What a population trains. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression import Layout
from models.coordinates import Coordinates
from models.normalisation import Normalisation


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What is trained: the artifact that every gateway of the population holds too.

    Attributes:
        artifact: SHA-256 of the training artifact.
        initial: float32[P] parameters of version 0.
        channels: C, the length of the normalisation.
        normalisation: known beforehand, or ``None`` to ask the first cohort for sums.
        ranges: where the parameters hold ranges of activations instead of weights.
        touched: the training modes that the artifact has beside full, and what they change.
        layout: of the parameter vector; ``None``: one block.
    """

    artifact: bytes
    initial: NDArray[np.float32]
    channels: int
    normalisation: Normalisation | None
    ranges: tuple[slice, ...] = ()
    touched: Mapping[str, Coordinates] = field(default_factory=dict)
    layout: Layout | None = None

    @property
    def codec_layout(self) -> Layout:
        """What codecs know of the parameter vector."""
        return self.layout or Layout.plain(self.initial.size)
