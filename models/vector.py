"""What a parameter vector must be before a model takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.spec import ModelSpec


def checked_vector(spec: ModelSpec, vector: NDArray[Any]) -> NDArray[np.float32]:
    """`vector` itself if it is finite float32[P]; raises ParameterError otherwise."""
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32:
        raise ParameterError(
            f"parameters must be float32, not {getattr(vector, 'dtype', 'a list')}"
        )
    if vector.shape != (spec.parameters,):
        raise ParameterError(
            f"{spec.name} has {spec.parameters} parameters, the vector has shape {vector.shape}"
        )
    if not np.isfinite(vector).all():
        raise ParameterError("parameters hold NaN or infinity")
    return vector
