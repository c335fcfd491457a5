"""Local work that anybody can do again: deltas drawn from seed, plan and gateway. Pure."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.normalisation import ChannelSums

CHANNELS = 2


def delta_of(seed: int, plan: str, gateway: str, parameters: int) -> NDArray[np.float32]:
    """Return the float32[P] delta that a gateway learns for a plan."""
    rng = _rng(seed, plan, gateway)
    scale = np.float32(10.0 ** rng.uniform(-3, 0))
    return scale * rng.standard_normal(parameters, dtype=np.float32)


def sums_of(seed: int, plan: str, gateway: str, examples: int) -> NDArray[np.float64]:
    """Return the float64[3C] sums over a gateway's examples."""
    readings = _rng(seed, plan, gateway).normal(3.0, 2.0, (examples, CHANNELS))
    return ChannelSums.of(readings).to_vector()


def declines(seed: int, plan: str, gateway: str, share: float) -> bool:
    """Whether a gateway cannot do a plan's work; it may another time."""
    return bool(share) and _rng(seed, plan, f"{gateway}?").random() < share


def _rng(seed: int, plan: str, gateway: str) -> np.random.Generator:
    return np.random.default_rng((seed, crc32(plan.encode()), crc32(gateway.encode())))
