"""SCAFFOLD's control variates without a byte on the wire (Karimireddy et al. 2020). Pure.

SCAFFOLD corrects each local step by c - c_k: the average gradient of all gateways less this one's
own. The published algorithm sends both. A gateway that took part in the round before can do
without: c_k follows from its own delta, and c from how far the global model has moved since, for it
holds both versions. With gateways that take different numbers of steps c is approximate; a gateway
that missed the round trains uncorrected, as in FedAvg.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from broker.protocol.messages import TrainingPlan


@dataclass(frozen=True, slots=True, eq=False)
class ControlVariate:
    """What a gateway keeps of a round for the next one.

    Attributes:
        version: of the base that the round began with.
        base: float32[P], that version's parameters.
        own: float32[P], c_k: this gateway's mean gradient over the round.
        reach: sum of step lengths: what a delta is divided by to give a mean gradient.
    """

    version: int
    base: NDArray[np.float32]
    own: NDArray[np.float32]
    reach: float

    def correction(self, version: int, base: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return c - c_k as float32[P] for training from ``base``; ``None`` when it is not next.

        Args:
            version: of the new base.
            base: float32[P], its parameters.
        """
        if version != self.version + 1 or base.shape != self.base.shape:
            return None
        correction = (self.base - base) / np.float32(self.reach) - self.own
        return correction if np.isfinite(correction).all() else None


def control_variate(
    version: int,
    base: NDArray[np.float32],
    delta: NDArray[np.float32],
    correction: NDArray[np.float32] | None,
    reach: float,
) -> ControlVariate:
    """Return what to keep of a round: its delta float32[P] less what the correction did to it."""
    own = -delta / np.float32(reach)
    if correction is not None:
        own = own - correction
    return ControlVariate(version, base, own.astype(np.float32), reach)


def reach_of(training: TrainingPlan, steps: int) -> float:
    """Return how far ``steps`` steps of SGD with momentum carry a constant gradient of 1."""
    return steps * training.learning_rate / (1 - training.momentum)
