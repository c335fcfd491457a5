"""A model that learns on a gateway: the four signatures of an artifact's training graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.errors import ArtifactError, ParameterError
from models.examples import checked_examples
from models.interpreter import open_interpreter
from models.scores import anomaly_score, predict
from models.spec import CLASSIFICATION, ModelSpec
from models.vector import checked_vector

__all__ = ["TrainableModel", "anomaly_score", "predict"]


class TrainableModel:
    """Not thread-safe: one thread at a time trains or infers."""

    def __init__(self, artifact: Artifact, num_threads: int = 1) -> None:
        """Opens the training graph with the artifact's initial parameters restored.

        Raises ArtifactError if the runtime refuses the graph.
        """
        self.spec: ModelSpec = artifact.spec
        self._interpreter = open_interpreter(artifact.train_path, num_threads)
        try:
            self._train, self._infer, self._parameters, self._restore = (
                self._interpreter.get_signature_runner(name)
                for name in ("train", "infer", "parameters", "restore")
            )
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(artifact.train_path, f"lacks a signature: {error}") from error
        self._no_correction = np.zeros(self.spec.parameters, np.float32)
        self.restore(artifact.initial_parameters())

    def parameters(self) -> NDArray[np.float32]:
        """The current vector, float32[P], a copy."""
        vector: NDArray[np.float32] = self._parameters()["parameters"]
        return vector

    def restore(self, parameters: NDArray[np.float32]) -> None:
        """Take over `parameters`, float32[P], as weights and as FedProx anchor; stop all momentum.

        Raises ParameterError on a wrong shape or dtype or a value that is not
        finite; the model is then unchanged.
        """
        self._restore(parameters=checked_vector(self.spec, parameters))

    def train_step(
        self,
        x: NDArray[np.float32],
        y: NDArray[Any],
        sample_weight: NDArray[np.float32],
        *,
        learning_rate: float,
        momentum: float = 0.0,
        mu: float = 0.0,
        correction: NDArray[np.float32] | None = None,
    ) -> float:
        """One SGD step on x float32[n, ...], y integer[n], sample_weight float32[n], n <= batch.

        Gradient = d(weighted mean loss) + mu * (w - anchor) + correction[P]
        (FedProx, arXiv:1812.06127; SCAFFOLD, arXiv:1910.06378), heavy-ball
        momentum. Ranges move towards the batch's extremes instead. y is not
        looked at by an autoencoder. Returns the loss before the step. Raises
        ParameterError, with nothing changed, on arrays that do not fit or
        weights that are negative or all zero.
        """
        size = len(x)
        if not 1 <= size <= self.spec.batch_size:
            raise ParameterError(f"a step takes 1 to {self.spec.batch_size} examples, not {size}")
        loss = self._train(
            x=self._padded(checked_examples(self.spec, x)),
            y=self._padded(self._checked_labels(y, size)),
            sample_weight=self._padded(_checked_weights(sample_weight, size)),
            learning_rate=_checked_scalar("learning_rate", learning_rate),
            momentum=_checked_scalar("momentum", momentum),
            mu=_checked_scalar("mu", mu),
            correction=self._no_correction
            if correction is None
            else checked_vector(self.spec, correction),
        )["loss"]
        return float(loss)

    def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x float32[n, ...], any n -> float32[n, K], or x's shape for a reconstruction.

        Probabilities for logistic, mlp and cnn1d, raw scores for svm. Weights
        and activations are quantized as they are while training.
        """
        x = checked_examples(self.spec, x)
        size = self.spec.batch_size
        output = np.empty((len(x), int(np.prod(self.spec.output_shape))), np.float32)
        for start in range(0, len(x), size):
            batch = x[start : start + size]
            output[start : start + size] = self._infer(x=self._padded(batch))["output"][
                : len(batch)
            ]
        return output.reshape(len(x), *self.spec.output_shape)

    def _padded(self, rows: NDArray[Any]) -> NDArray[Any]:
        """`rows` as a full, contiguous batch; what is added is zero."""
        missing = self.spec.batch_size - len(rows)
        if not missing:
            return np.ascontiguousarray(rows)
        return np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])

    def _checked_labels(self, y: NDArray[Any], size: int) -> NDArray[np.int32]:
        if y.shape != (size,) or y.dtype.kind not in "iu":
            raise ParameterError(f"y must be {size} integers, not {y.dtype}{y.shape}")
        if self.spec.task == CLASSIFICATION and (y.min() < 0 or y.max() >= len(self.spec.classes)):
            raise ParameterError(f"y holds a class outside 0..{len(self.spec.classes) - 1}")
        return y.astype(np.int32)


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
