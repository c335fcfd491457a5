"""What a codec knows of a parameter vector: where the layers are, and where the ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.spec import ParameterBlock, Role


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Ranges of activations move by whole units, weights by hundredths: they are coded apart.

    Attributes:
        parameters: P.
        ranges: int64[R], where the ranges of activations are.
        body: int64[P - R], where everything else is, in order.
        edges: int64[B], where the blocks of the body begin, as indices into the body; the first
            is 0.
    """

    parameters: int
    ranges: NDArray[np.int64]
    body: NDArray[np.int64]
    edges: NDArray[np.int64]

    @property
    def ranges_last(self) -> bool:
        """Whether the body is one run from the start, as in all models that ship."""
        return not self.body.size or int(self.body[-1]) == self.body.size - 1

    @classmethod
    def of(cls, blocks: Sequence[ParameterBlock]) -> Layout:
        """Return the layout of a model's blocks, as its spec lists them."""
        parameters = sum(block.size for block in blocks)
        is_range = np.zeros(parameters, np.bool_)
        edges, length = [], 0
        for block in blocks:
            if block.role is Role.RANGE:
                is_range[block.slice] = True
            else:
                edges.append(length)
                length += block.size
        return cls(
            parameters,
            np.flatnonzero(is_range),
            np.flatnonzero(~is_range),
            np.array(edges or [0], np.int64),
        )

    @classmethod
    def plain(cls, parameters: int) -> Layout:
        """Return the layout of a vector of one block, without ranges."""
        return cls(parameters, np.arange(0), np.arange(parameters), np.zeros(1, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What both ends of an update know beside its bytes.

    Attributes:
        layout: of the vector.
        seed: of the round: what is random and shared by the cohort is drawn from it.
    """

    layout: Layout
    seed: int = 0
