"""Which coordinates of the parameter vector a training mode touches. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.spec import FULL, ModelSpec, ParameterBlock, Role


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Some blocks of a vector float32[P], in its order; together they are float32[size]."""

    blocks: tuple[ParameterBlock, ...]

    @property
    def size(self) -> int:
        """How many numbers."""
        return sum(block.size for block in self.blocks)

    @property
    def layout(self) -> tuple[ParameterBlock, ...]:
        """The same blocks where they lie when there are no others."""
        found = []
        offset = 0
        for block in self.blocks:
            found.append(replace(block, offset=offset))
            offset += block.size
        return tuple(found)

    def take(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[P] -> float32[size], a copy."""
        return np.concatenate([vector[block.slice] for block in self.blocks])

    def put(self, vector: NDArray[np.float32], part: NDArray[np.float32]) -> None:
        """Write float32[size] into float32[P]; raises ParameterError on another size."""
        if part.shape != (self.size,):
            raise ParameterError(f"{part.shape} do not fit {self.size} coordinates")
        for block, place in zip(self.blocks, self.layout, strict=True):
            vector[block.slice] = part[place.slice]


def touched_by_mode(spec: ModelSpec) -> dict[str, Coordinates]:
    """What each mode that the model has beside `full` changes."""
    return {mode.name: touched(spec, mode.name) for mode in spec.modes}


def touched(spec: ModelSpec, mode_name: str) -> Coordinates:
    """What training in this mode changes.

    That is the weights and biases of its layers, and the ranges of all activations from where its
    graph begins. A mode that the model does not have is `full`.
    """
    mode = None if mode_name == FULL else spec.mode(mode_name)
    if mode is None:
        return Coordinates(spec.layout)
    inside, trained = set(mode.blocks), set(mode.layers)
    return Coordinates(
        tuple(
            block
            for block in spec.layout
            if block.name in inside
            and (block.role is Role.RANGE or block.name.rpartition(".")[0] in trained)
        )
    )
