"""What an example's y must be: a class, a class for each pixel, or numbers. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.normalisation import Normalisation
from models.spec import CLASSIFICATION, RECONSTRUCTION, REGRESSION, SEGMENTATION, ModelSpec


def checked_truth(spec: ModelSpec, y: NDArray[Any], size: int) -> NDArray[Any]:
    """y[size, ...] as the training graph takes it; raises ParameterError.

    int32[n] classes, int32[n, rows, columns] classes of pixels, or float32[n, targets] in
    normalised units. An autoencoder does not look at its int32[n].
    """
    shape = (size, *spec.truth_shape)
    kinds = "fiu" if spec.task == REGRESSION else "iu"
    if y.shape != shape or y.dtype.kind not in kinds:
        wanted = "numbers" if spec.task == REGRESSION else "integers"
        raise ParameterError(f"y must be {wanted} {shape}, not {y.dtype}{y.shape}")
    if spec.task == REGRESSION:
        targets = y.astype(np.float32)
        if not np.isfinite(targets).all():
            raise ParameterError("y holds NaN or infinity")
        return targets
    if spec.task in (CLASSIFICATION, SEGMENTATION) and (
        y.min() < 0 or y.max() >= len(spec.classes)
    ):
        raise ParameterError(f"y holds a class outside 0..{len(spec.classes) - 1}")
    return y.astype(np.int32)


def normalised_truth(
    spec: ModelSpec, normalisation: Normalisation, y: NDArray[Any]
) -> NDArray[Any]:
    """y with each target float32[n, targets] in the normalised units of its channel."""
    if spec.task != REGRESSION:
        return y
    mean, std = _of_targets(spec, normalisation)
    return np.asarray((y - mean) / std, np.float32)


def target_values(
    spec: ModelSpec, normalisation: Normalisation, output: NDArray[np.float32]
) -> NDArray[np.float32]:
    """A regression's answers float32[n, targets] in the units of the targets' channels."""
    mean, std = _of_targets(spec, normalisation)
    return np.asarray(output * std + mean, np.float32)


def empty_truth(spec: ModelSpec, size: int) -> NDArray[Any]:
    """y of so many examples whose truth nobody knows or needs: zeros."""
    kind = np.float32 if spec.task == REGRESSION else np.int32
    return np.zeros((size, *spec.truth_shape), kind)


def needs_truth(spec: ModelSpec) -> bool:
    """Whether an example without y cannot be trained on."""
    return spec.task != RECONSTRUCTION


def _of_targets(
    spec: ModelSpec, normalisation: Normalisation
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    index = {channel.name: i for i, channel in enumerate(spec.channels)}
    places = [index[target.channel] for target in spec.targets]
    mean = np.array([normalisation.mean[i] for i in places], np.float32)
    return mean, np.array([normalisation.std[i] for i in places], np.float32)
