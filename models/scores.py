"""What a model's output means: class scores, predictions, anomaly scores. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.spec import CLASSIFICATION, ModelSpec


def answer(spec: ModelSpec, output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Raw output of the last layer, float32[n, K] -> what `infer` answers.

    Probabilities for a classifier, the raw scores of an svm, the reconstruction
    of an autoencoder.
    """
    if spec.task != CLASSIFICATION or spec.architecture == "svm":
        return output
    shifted = np.exp(output - output.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def predict(spec: ModelSpec, scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Class indices int64[n] of scores float32[n, K]; the first of equal scores wins."""
    if spec.task != CLASSIFICATION:
        raise ParameterError(f"{spec.name} reconstructs, it has no classes to predict")
    if scores.ndim != 2 or scores.shape[1] != len(spec.classes):
        raise ParameterError(f"scores have shape {scores.shape}, not [n, {len(spec.classes)}]")
    best: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    return best


def anomaly_score(x: NDArray[Any], reconstruction: NDArray[Any]) -> NDArray[np.float32]:
    """Mean squared error of each example, float32[n]; both arguments are [n, ...]."""
    if x.shape != reconstruction.shape or x.ndim < 2:
        raise ParameterError(f"{x.shape} and its reconstruction {reconstruction.shape} differ")
    error = np.square(x.astype(np.float32) - reconstruction.astype(np.float32))
    return np.asarray(error.reshape(len(x), -1).mean(axis=1), np.float32)
