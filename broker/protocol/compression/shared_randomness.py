"""Randomness that a whole cohort shares: drawn from the round's seed, the same everywhere.

NumPy promises the streams of its bit generators for all versions, but not what ``choice`` or
``permutation`` make of them (NEP 19); gateways with NumPy 1 and NumPy 2 are in one cohort. So only
raw 64-bit words are used here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_COORDINATES = 1
_SIGNS = 2


@lru_cache(maxsize=2)
def random_coordinates(seed: int, length: int, count: int) -> NDArray[np.int64]:
    """Return ``count`` of ``length`` indices, int64, ascending; every subset is as likely.

    Kept, for an aggregator asks for the same ones with every update of a round.
    """
    words = _words(seed, _COORDINATES, length)
    # The index in the low bits makes words distinct, so that no tie is left to the sort.
    low = np.uint64((1 << max(length - 1, 1).bit_length()) - 1)
    words = (words & ~low) | np.arange(length, dtype=np.uint64)
    chosen = np.sort(np.argpartition(words, count - 1)[:count]).astype(np.int64)
    chosen.flags.writeable = False
    return chosen


@lru_cache(maxsize=2)
def random_signs(seed: int, length: int) -> NDArray[np.float32]:
    """Return float32[length] of -1 and 1."""
    words = _words(seed, _SIGNS, -(-length // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=length)
    signs = np.where(bits, np.float32(-1), np.float32(1)).astype(np.float32)
    signs.flags.writeable = False
    return signs


def _words(seed: int, purpose: int, count: int) -> NDArray[np.uint64]:
    generator = np.random.PCG64(np.random.SeedSequence((seed, purpose)))
    return np.asarray(generator.random_raw(count), np.uint64)
