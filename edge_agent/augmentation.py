"""Windows as a sensor worn a little differently would have read them (Um et al. 2017). Pure.

Every strap sits at its own angle. A small turn of the sensor's frame, the same over a window, and a
gain near 1 teach a model not to rely on either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.spec import Channel

# UCUM units of vectors in space that are zero when nothing acts. A raw count has its zero anywhere.
_VECTOR_UNITS = frozenset({"[g]", "m/s2", "rad/s", "deg/s", "uT", "G"})


@dataclass(frozen=True, slots=True)
class Variation:
    """How batches vary. Work that was paused goes on with the draws that it would have had.

    Attributes:
        columns, rotation_deg, scaling: see :func:`varied`.
        seed: of all batches.
    """

    columns: tuple[int, ...]
    rotation_deg: float
    scaling: float
    seed: int

    def of(self, x: NDArray[np.float32], place: tuple[int, int]) -> NDArray[np.float32]:
        """Return x float32[n, T, C] varied, by the seed and the batch's place alone."""
        generator = np.random.default_rng((self.seed, *place))
        return varied(x, self.columns, self.rotation_deg, self.scaling, generator)


def varied(
    x: NDArray[np.float32],
    columns: Sequence[int],
    rotation_deg: float,
    scaling: float,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Return a copy of x float32[n, T, C] with the vectors of each window turned and scaled.

    Args:
        x: windows, in the sensor's units.
        columns: where the vectors begin, as :func:`triads` says; all else stays as it is.
        rotation_deg: standard deviation of the angle, about an axis drawn evenly from the sphere;
            all vectors of a window turn together.
        scaling: standard deviation of the logarithm of a window's gain.
        generator: draws both for each window.
    """
    gain = np.exp(scaling * generator.normal(size=(len(x), 1, 1)))
    turns = (rotations(len(x), rotation_deg, generator) * gain).astype(np.float32)
    x = x.copy()
    for column in columns:
        axes = slice(column, column + 3)
        x[:, :, axes] = x[:, :, axes] @ turns
    return x


def triads(channels: Sequence[Channel]) -> tuple[int, ...]:
    """Return the first column of each x, y, z in a row that are one vector, by name and unit."""
    found: list[int] = []
    for first in range(len(channels) - 2):
        names = [channel.name for channel in channels[first : first + 3]]
        units = {channel.unit for channel in channels[first : first + 3]}
        stems = {name[:-1] for name in names}
        axes = "".join(name[-1:] for name in names).lower()
        if axes == "xyz" and len(stems) == len(units) == 1 and units <= _VECTOR_UNITS:
            found.append(first)
    return tuple(found)


def rotations(
    count: int, deviation_deg: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return float64[count, 3, 3] random rotations, by Rodrigues' formula."""
    axis = generator.normal(size=(count, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.deg2rad(deviation_deg) * generator.normal(size=count)
    cross = np.zeros((count, 3, 3))
    for row, column, of in ((2, 1, 0), (0, 2, 1), (1, 0, 2)):
        cross[:, row, column] = axis[:, of]
        cross[:, column, row] = -axis[:, of]
    sine, versine = np.sin(angle)[:, None, None], (1 - np.cos(angle))[:, None, None]
    turned: NDArray[np.float64] = np.eye(3) + sine * cross + versine * (cross @ cross)
    return turned
