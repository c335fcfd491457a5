"""The payload of a statistics update: float64 sums per channel, little-endian, never compressed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.protocol.errors import RemoteProtocolError

STATISTICS_CODEC = "sums"
# The sums of a whole cohort, and the mean made of them, stay within what a model's blob may hold.
_MAX_SUM = 1e26


def encode_sums(sums: NDArray[np.float64]) -> bytes:
    """Write a float64[N] vector of sums."""
    return bytes(sums.astype("<f8").tobytes())


def decode_sums(payload: bytes, length: int) -> NDArray[np.float64]:
    """Read float64[length] back.

    Raises:
        RemoteProtocolError: wrong length, or a sum that is not finite, or too large.
    """
    if len(payload) != 8 * length:
        raise RemoteProtocolError(
            "update", "payload", f"{len(payload)} bytes, expected {8 * length}"
        )
    sums = np.frombuffer(payload, "<f8").astype(np.float64)
    if not (np.abs(sums) <= _MAX_SUM).all():
        raise RemoteProtocolError("update", "payload", "a sum is not finite, or too large")
    return sums
