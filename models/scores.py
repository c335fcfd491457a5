"""What a model's output means: class scores, predictions, anomaly scores. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.spec import CLASSIFICATION, SEGMENTATION, ModelSpec


def answer(spec: ModelSpec, output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raw output of the last layer, float32[n, *spec.output_shape] -> what `infer` answers.

    Probabilities of classes, the raw scores of an svm, and all else as it is.
    """
    if spec.task not in (CLASSIFICATION, SEGMENTATION) or spec.architecture == "svm":
        return output
    shifted = np.exp(output - output.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)


def predict(spec: ModelSpec, scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Class indices int64[n], of pixels int64[n, rows, columns], of scores float32[n, .., K].

    The first of equal scores wins.
    """
    if spec.task not in (CLASSIFICATION, SEGMENTATION):
        raise ParameterError(f"{spec.name} is a {spec.task}, it has no classes to predict")
    if scores.shape[1:] != spec.output_shape:
        raise ParameterError(f"scores are {scores.shape}, not n of {spec.output_shape}")
    best: NDArray[np.int64] = scores.argmax(axis=-1).astype(np.int64)
    return best


def anomaly_score(x: NDArray[Any], reconstruction: NDArray[Any]) -> NDArray[np.float32]:
    """Mean squared error of each example, float32[n]; both arguments are [n, ...]."""
    if x.shape != reconstruction.shape or x.ndim < 2:
        raise ParameterError(f"{x.shape} and its reconstruction {reconstruction.shape} differ")
    error = np.square(x.astype(np.float32) - reconstruction.astype(np.float32))
    return np.asarray(error.reshape(len(x), -1).mean(axis=1), np.float32)
