"""The randomized Hadamard rotation: spreads a few large values over all of their block.

A quantizer's error grows with the largest value of a block; after the rotation that is near the
mean one (Suresh et al. 2017). It is orthogonal: what is unbiased before is unbiased after.
"""

from __future__ import annotations

import numpy as np

from broker.protocol.compression.magnitude import Vector
from broker.protocol.compression.shared_randomness import random_signs


def rotated_length(length: int, block: int) -> int:
    """Return the length after the rotation: the last block is filled up to a power of two."""
    rest = length % block
    return length - rest + (1 << (rest - 1).bit_length() if rest else 0)


def rotate(vector: Vector, block: int, seed: int) -> Vector:
    """Rotate float32[n] in blocks of ``block``, a power of two; returns the filled-up length."""
    filled = np.zeros(rotated_length(vector.size, block), np.float32)
    filled[: vector.size] = vector
    return _transform(filled * random_signs(seed, filled.size), block)


def rotate_back(rotated: Vector, length: int, block: int, seed: int) -> Vector:
    """Undo :func:`rotate`; returns float32[length]."""
    return (_transform(rotated, block) * random_signs(seed, rotated.size))[:length]


def _transform(vector: Vector, block: int) -> Vector:
    whole = vector.size - vector.size % block
    parts = [_hadamard(vector[:whole].reshape(-1, block)).reshape(-1)]
    if whole < vector.size:
        parts.append(_hadamard(vector[None, whole:]).reshape(-1))
    return np.concatenate(parts)


def _hadamard(rows: Vector) -> Vector:
    """Return the orthonormal Walsh-Hadamard transform of each row, by butterflies.

    Additions in a fixed order, so that both ends get the same bits.
    """
    count, size = rows.shape
    half = 1
    while half < size:
        pairs = rows.reshape(count, size // (2 * half), 2, half)
        rows = np.stack(
            (pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]), axis=2
        ).reshape(count, size)
        half *= 2
    return (rows * np.float32(1 / np.sqrt(size))).astype(np.float32)
