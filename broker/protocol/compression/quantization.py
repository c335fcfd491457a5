"""Stochastic uniform quantization with a scale per block (QSGD, Alistarh et al. 2017; TernGrad,
Wen et al. 2017), and signs with a mean magnitude (STC, Sattler et al. 2019).

A stochastic grid of m + 1 levels spans [-s, s], with s the block's largest magnitude. A value
between two levels goes to either, so that its mean is the value; the variance is
(v - a)(b - v) for neighbours a and b, at most (s / m)**2.

Scales are bfloat16, rounded up: half of float32's bytes, and no value is beyond its block's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression.magnitude import MAX_MAGNITUDE, Vector
from broker.protocol.compression.sections import refused


class Grid(StrEnum):
    """The levels that a value may take."""

    FLOAT32 = "float32"
    SIGN = "sign"
    TERNARY = "ternary"
    Q2 = "q2"
    Q4 = "q4"
    Q8 = "q8"


# m: the steps from -s to s. An odd number has no level at zero.
STEPS = {Grid.SIGN: 1, Grid.TERNARY: 2, Grid.Q2: 3, Grid.Q4: 14, Grid.Q8: 254}
# Bits of a level that is written as it is.
WIDTH = {Grid.SIGN: 1, Grid.TERNARY: 2, Grid.Q2: 2, Grid.Q4: 4, Grid.Q8: 8}


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Runs of a vector that share a scale: where they begin, int64[B], and its length.

    ``even`` is the length of all runs but the last, where they have one.
    """

    starts: NDArray[np.int64]
    length: int
    even: int = 0

    @classmethod
    def cut(cls, edges: NDArray[np.int64], length: int, block: int) -> Blocks:
        """Cut at every edge, and in between into runs of at most ``block``."""
        if edges.size == 1:
            return cls(np.arange(0, length, block), length, block)
        ends = np.append(edges[1:], length)
        runs = [np.arange(a, b, block) for a, b in zip(edges, ends, strict=True) if a < b]
        return cls(np.concatenate(runs) if runs else np.zeros(0, np.int64), length)

    def spread(self, per_block: Vector) -> Vector:
        """Repeat float32[B] for each value: float32[length]."""
        return np.repeat(per_block, np.diff(self.starts, append=self.length))

    def scale(self, values: Vector, scales: Vector) -> None:
        """Multiply float32[length] in place by the scale of each one's block, float32[B]."""
        if not self.even:
            values *= self.spread(scales)
            return
        whole = self.length // self.even
        rows = values[: whole * self.even].reshape(whole, self.even)
        rows *= scales[:whole, None]
        values[whole * self.even :] *= scales[-1:]


def quantize(
    vector: Vector, blocks: Blocks, grid: Grid, generator: np.random.Generator
) -> tuple[Vector, NDArray[np.int16]]:
    """Return scales float32[B] (each a bfloat16) and levels int16[n] of 0 to m."""
    magnitudes = np.abs(vector)
    if grid is Grid.SIGN:
        counts = np.diff(blocks.starts, append=blocks.length).astype(np.float32)
        # A mean in float32 of values near the limit must not overflow.
        means = np.add.reduceat(magnitudes / blocks.spread(counts), blocks.starts)
        return _bfloat16_up(means), (vector >= 0).astype(np.int16)
    scales = _bfloat16_up(np.maximum.reduceat(magnitudes, blocks.starts))
    steps = STEPS[grid]
    # In a block of zeros every level is the middle one; dividing by infinity gives that.
    divisors = np.where(scales > 0, scales, np.float32(np.inf)).astype(np.float32)
    place = vector / blocks.spread(divisors) * np.float32(steps / 2)
    place += np.float32(steps % 2 / 2)
    below = np.floor(place)
    noise = generator.random(vector.size, dtype=np.float32)
    levels = below.astype(np.int16) + (noise < place - below) + steps // 2
    return scales, np.clip(levels, 0, steps).astype(np.int16)


def dequantize(
    scales: Vector, levels: NDArray[np.integer[Any]], blocks: Blocks, grid: Grid
) -> Vector:
    """Return float32[n]."""
    steps = np.float32(STEPS[grid])
    # A level's place between -1 and 1 is correctly rounded: numerator and denominator are exact.
    values = levels.astype(np.float32)
    values += values
    values -= steps
    if steps > 1:
        values /= steps
    blocks.scale(values, scales)
    return values


def write_scales(scales: Vector) -> bytes:
    """Write bfloat16[B], little-endian."""
    return (scales.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes()


def read_scales(payload: bytes) -> Vector:
    """Read float32[B].

    Raises:
        RemoteProtocolError: one is negative, not finite or too large.
    """
    halves = np.frombuffer(payload, "<u2")
    # As whole numbers they are in the order of what they stand for; negative ones and what is not
    # finite come after.
    if halves.size and int(halves.max()) > _MOST_SCALE:
        raise refused("a scale is not finite, negative or too large")
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)


# Rounded up, the largest value that may be sent has a scale a little above it.
_MOST_SCALE = int(np.float32(MAX_MAGNITUDE * 1.01).view(np.uint32)) >> 16


def _bfloat16_up(values: Vector) -> Vector:
    """Round float32, none negative, up to the next bfloat16."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)).view(np.float32)
