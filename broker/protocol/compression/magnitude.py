"""What a number in an update may be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError

# No delta comes near. One that does would make the next version overflow, for everyone.
MAX_MAGNITUDE = 1e30

Vector = NDArray[np.float32]


def require_sendable(vector: Vector) -> Vector:
    """Return a vector that may be sent.

    Raises:
        LocalProtocolError: a value is not finite, or beyond ``MAX_MAGNITUDE``.
    """
    if not _sane(vector):
        raise LocalProtocolError("a delta that is not finite, or too large, must not be sent")
    return vector


def require_received(vector: Vector) -> Vector:
    """Return a vector that may be folded.

    Raises:
        RemoteProtocolError: a value is not finite, or beyond ``MAX_MAGNITUDE``.
    """
    if not _sane(vector):
        raise RemoteProtocolError("update", "payload", "a value is not finite, or too large")
    return vector


def _sane(vector: Vector) -> bool:
    if not vector.size:
        return True
    # Two passes without a copy; ``<=`` is false for NaN, which is the least and the most of all.
    return bool(vector.max() <= MAX_MAGNITUDE and vector.min() >= -MAX_MAGNITUDE)
