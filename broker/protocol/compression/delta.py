"""A delta as a codec reads it: all values, or those at some indices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression.magnitude import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What an update adds to its base.

    Attributes:
        parameters: P, the length of the whole vector.
        values: float32[P], or float32[k] where there are ``indices``.
        indices: int64[k], distinct, where the values belong; the others are 0. ``None``: all.
    """

    parameters: int
    values: Vector
    indices: NDArray[np.int64] | None = None

    def dense(self) -> Vector:
        """Return it as float32[P]."""
        if self.indices is None:
            return self.values
        vector = np.zeros(self.parameters, np.float32)
        vector[self.indices] = self.values
        return vector
