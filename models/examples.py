"""What examples must be before a model takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.spec import ModelSpec


def checked_examples(spec: ModelSpec, x: NDArray[Any]) -> NDArray[np.float32]:
    """x as float32[n, ...] if it is finite and has the model's input shape.

    Raises ParameterError. NaN has no int8 level, and one in a batch would take
    every parameter with it; `Normalisation.apply` leaves none.
    """
    if x.shape[1:] != spec.input_shape or x.ndim != len(spec.input_shape) + 1:
        raise ParameterError(f"x has shape {x.shape}, {spec.name} takes n of {spec.input_shape}")
    examples = x.astype(np.float32, copy=False)
    if not np.isfinite(examples).all():
        raise ParameterError("x holds NaN or infinity")
    return examples
