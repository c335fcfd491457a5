"""Folding one update at a time; never more than one model's worth of memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.errors import RoundError
from models.coordinates import Coordinates


class WeightedMean:
    """FedAvg: the mean of the deltas weighted by num_examples (McMahan et al. 2017, alg. 1).

    An update that touched some coordinates counts for those alone: each coordinate is the mean of
    the updates that touched it, and one that nobody touched stays.

    Sums are float64[P], so that the order of arrival changes nothing that float32 can show.
    """

    def __init__(self, parameters: int) -> None:
        self._sum = np.zeros(parameters, np.float64)
        self._partial: NDArray[np.float64] | None = None
        self.weight = 0.0
        self.updates = 0

    def add(self, delta: NDArray[np.float32], weight: float, discount: float = 1.0) -> None:
        """Fold a float32[P] delta with weight p_k = weight / sum of weights.

        ``discount`` takes from the delta and not from the sum of weights, so that a buffer of
        nothing but stale updates moves the model less (FedBuff, Nguyen et al. 2022, alg. 1).
        """
        self._sum += np.multiply(delta, weight * discount, dtype=np.float64)
        self.weight += weight
        self.updates += 1

    def add_part(
        self,
        part: NDArray[np.float32],
        weight: float,
        places: Coordinates,
        discount: float = 1.0,
    ) -> None:
        """Fold the float32[places.size] coordinates of a delta that its gateway touched."""
        if self._partial is None:
            self._partial = np.zeros_like(self._sum)
        for block, place in zip(places.blocks, places.layout, strict=True):
            scaled = np.multiply(part[place.slice], weight * discount, dtype=np.float64)
            self._sum[block.slice] += scaled
            self._partial[block.slice] += weight
        self.updates += 1

    def add_sparse(
        self,
        indices: NDArray[np.int64],
        values: NDArray[np.float32],
        weight: float,
        discount: float = 1.0,
    ) -> None:
        """Fold a delta that is ``values`` float32[k] at distinct ``indices`` and 0 elsewhere."""
        self._sum[indices] += np.multiply(values, weight * discount, dtype=np.float64)
        self.weight += weight
        self.updates += 1

    def apply(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return base float32[P] plus the weighted mean delta.

        Raises:
            RoundError: nothing was folded.
        """
        if not self.updates:
            raise RoundError("nothing was folded")
        if self._partial is None:
            return (base + self._sum / self.weight).astype(np.float32)
        weight = self._partial + self.weight
        # A coordinate that nobody touched has a sum of 0, and stays.
        mean: NDArray[np.float64] = self._sum / np.maximum(weight, 1)
        return (base + mean).astype(np.float32)


class Sum:
    """The sum of float64[N] vectors: federated statistics."""

    def __init__(self, length: int) -> None:
        self.total = np.zeros(length, np.float64)
        self.updates = 0

    def add(self, sums: NDArray[np.float64]) -> None:
        """Fold a float64[N] vector."""
        self.total += sums
        self.updates += 1
