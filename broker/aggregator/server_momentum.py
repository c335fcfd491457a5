"""The aggregator's momentum: a version goes on the way that the last one went. Pure.

FedAvgM (Hsu et al. 2019), written as Polyak's heavy ball: the velocity is the difference of two
versions, both of which the round log keeps. So there is no state of its own to lose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def carried(
    parameters: NDArray[np.float32],
    base: NDArray[np.float32],
    before: NDArray[np.float32],
    momentum: float,
    ranges: Sequence[slice],
) -> NDArray[np.float32]:
    """Return ``parameters`` float32[P] and ``momentum`` times the step from ``before`` to ``base``.

    Args:
        parameters: base and the mean delta.
        base: the version that the round began with.
        before: the version before that one.
        momentum: at least 0 and less than 1; steps that agree grow by 1 / (1 - momentum).
        ranges: where the vector holds activations' ranges, which say what was seen; they do
            not go on.
    """
    step = np.float32(momentum) * (base - before)
    for block in ranges:
        step[block] = 0
    return parameters + step
