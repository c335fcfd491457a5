"""What a simulated sensor measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Model:
    """What a simulated sensor measures.

    Attributes:
        interval_s: time between two values of such a sensor.
        measurements: endless; the same for the same generator.
    """

    interval_s: float
    measurements: Callable[[np.random.Generator], Iterator[Any]]


Models = Mapping[str, Model]
"""By the name of a profile."""
