"""The three signatures that every training graph has: train, parameters, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ArtifactError, ParameterError
from models.interpreter import open_interpreter


class StepGraph:
    """One SGD step on batches that fit; which those are is the caller's to check.

    Args:
        path: of the graph.
        batch_size: rows of a batch.
        parameters: length of the graph's own vector.
    """

    def __init__(self, path: Path, batch_size: int, parameters: int, num_threads: int = 1) -> None:
        self.batch_size = batch_size
        self._interpreter = open_interpreter(path, num_threads)
        self._path = path
        self._train, self._parameters, self._restore = (
            self.signature(name) for name in ("train", "parameters", "restore")
        )
        self._no_correction = np.zeros(parameters, np.float32)

    def signature(self, name: str) -> Any:
        """A signature's runner; raises ArtifactError where the graph has none of that name."""
        try:
            return self._interpreter.get_signature_runner(name)
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(self._path, f"lacks a signature: {error}") from error

    def parameters(self) -> NDArray[np.float32]:
        """The graph's vector, a copy."""
        vector: NDArray[np.float32] = self._parameters()["parameters"]
        return vector

    def restore(self, parameters: NDArray[np.float32]) -> None:
        """Take over a vector as weights and as anchor; stop all momentum."""
        self._restore(parameters=parameters)

    def step(
        self,
        x: NDArray[np.float32],
        y: NDArray[Any],
        sample_weight: NDArray[np.float32],
        *,
        learning_rate: float,
        momentum: float,
        mu: float,
        correction: NDArray[np.float32] | None,
    ) -> float:
        """Take a step on n <= batch_size rows; returns the loss before it.

        Raises ParameterError, with nothing changed, on settings or weights that cannot be.
        """
        size = len(x)
        if not 1 <= size <= self.batch_size:
            raise ParameterError(f"a step takes 1 to {self.batch_size} examples, not {size}")
        loss = self._train(
            x=self.padded(x),
            y=self.padded(y),
            sample_weight=self.padded(_checked_weights(sample_weight, size)),
            learning_rate=_checked_scalar("learning_rate", learning_rate),
            momentum=_checked_scalar("momentum", momentum),
            mu=_checked_scalar("mu", mu),
            correction=self._no_correction if correction is None else correction,
        )["loss"]
        return float(loss)

    def padded(self, rows: NDArray[Any]) -> NDArray[Any]:
        """`rows` as a full, contiguous batch; what is added is zero."""
        missing = self.batch_size - len(rows)
        if not missing:
            return np.ascontiguousarray(rows)
        return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])


def _checked_weights(weights: NDArray[Any], size: int) -> NDArray[np.float32]:
    if weights.shape != (size,) or not np.isfinite(weights).all():
        raise ParameterError(f"sample_weight must be {size} finite numbers")
    if weights.min() < 0 or weights.max() <= 0:
        raise ParameterError("sample_weight holds a negative number, or nothing but zeros")
    return weights.astype(np.float32)


def _checked_scalar(name: str, value: float) -> np.float32:
    if not np.isfinite(value) or value < 0:
        raise ParameterError(f"{name} must be a finite number of at least 0, not {value}")
    # ai-edge-litert refuses a float64 where the graph says float32.
    return np.float32(value)
