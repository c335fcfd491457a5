"""Made-up examples that a model can learn, to try one before it meets real ones. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.spec import REGRESSION, SEGMENTATION, ModelSpec

Examples = tuple[NDArray[np.float32], NDArray[Any]]


def rehearsal(spec: ModelSpec, generator: np.random.Generator, count: int) -> Examples:
    """x float32[count, ...] normalised, and y as `models.truth` has it.

    A class is a direction (tables), a rhythm (windows) or a place (images); a target goes on from
    the window's end; a segmentation shall find bright patches.
    """
    if spec.task == SEGMENTATION:
        return _patches(spec, generator, count)
    if spec.task == REGRESSION:
        return _walks(spec, generator, count)
    classes = max(2, len(spec.classes))
    y = generator.integers(0, classes, count)
    noise = generator.normal(size=(count, *spec.input_shape))
    if len(spec.input_shape) == 1:
        signal = generator.normal(size=(classes, *spec.input_shape))[y]
    elif len(spec.input_shape) == 2:
        steps, channels = spec.input_shape
        rhythm = 2 * np.pi * np.outer(np.arange(1, classes + 1) * 2, np.arange(steps) / steps)
        shift = generator.uniform(0, 2 * np.pi, size=(count, 1, channels))
        signal = 1.5 * np.sin(rhythm[y][:, :, np.newaxis] + shift)
    else:
        rows, columns, channels = spec.input_shape
        wave = 2 * np.pi * np.arange(1, classes + 1)[:, np.newaxis] * np.arange(rows) / rows
        signal = 1.5 * np.sin(wave)[y][:, :, np.newaxis, np.newaxis]
        signal = np.broadcast_to(signal, (count, rows, columns, channels))
    return (signal + 0.5 * noise).astype(np.float32), y


def _walks(spec: ModelSpec, generator: np.random.Generator, count: int) -> Examples:
    start = generator.normal(size=(count, *spec.input_shape[1:]))
    slope = generator.normal(size=start.shape)
    time = np.linspace(0.0, 1.0, spec.input_shape[0])
    shaped = time.reshape(1, -1, *(1,) * (len(spec.input_shape) - 1))
    x = start[:, np.newaxis] + slope[:, np.newaxis] * shaped
    names = [channel.name for channel in spec.channels]
    places = [names.index(target.channel) for target in spec.targets]
    y = (start + 1.25 * slope).reshape(count, -1)[:, places]
    return (x + 0.05 * generator.normal(size=x.shape)).astype(np.float32), y.astype(np.float32)


def _patches(spec: ModelSpec, generator: np.random.Generator, count: int) -> Examples:
    rows, columns, channels = spec.input_shape
    y = np.zeros((count, rows, columns), np.int64)
    for mask in y:
        for kind in range(1, len(spec.classes)):
            top, left = generator.integers(0, rows // 2), generator.integers(0, columns // 2)
            mask[top : top + rows // 3, left : left + columns // 3] = kind
    x = 1.5 * y[..., np.newaxis] + 0.5 * generator.normal(size=(count, rows, columns, channels))
    return x.astype(np.float32), y
