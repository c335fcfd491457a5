"""A model that learns on a gateway: the four signatures of an artifact's training graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.errors import ParameterError
from models.examples import checked_examples
from models.scores import anomaly_score, predict
from models.spec import ModelSpec
from models.step_graph import StepGraph
from models.truth import checked_truth
from models.vector import checked_vector

__all__ = ["TrainableModel", "anomaly_score", "predict"]


class TrainableModel:
    """Not thread-safe: one thread at a time trains or infers."""

    def __init__(self, artifact: Artifact, num_threads: int = 1) -> None:
        """Opens the training graph with the artifact's initial parameters restored.

        Raises ArtifactError if the runtime refuses the graph.
        """
        self.spec: ModelSpec = artifact.spec
        self._graph = StepGraph(
            artifact.train_path, self.spec.batch_size, self.spec.parameters, num_threads
        )
        self._infer = self._graph.signature("infer")
        self.restore(artifact.initial_parameters())

    def parameters(self) -> NDArray[np.float32]:
        """The current vector, float32[P], a copy."""
        return self._graph.parameters()

    def restore(self, parameters: NDArray[np.float32]) -> None:
        """Take over `parameters`, float32[P], as weights and as FedProx anchor; stop all momentum.

        Raises ParameterError on a wrong shape or dtype or a value that is not
        finite; the model is then unchanged.
        """
        self._graph.restore(checked_vector(self.spec, parameters))

    def prepare(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What `train_step` takes: x itself. Other learners compute something once here."""
        return x

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
        """One SGD step on x float32[n, ...], y[n, ...], sample_weight float32[n], n <= batch.

        Gradient = d(weighted mean loss) + mu * (w - anchor) + correction[P]
        (FedProx, arXiv:1812.06127; SCAFFOLD, arXiv:1910.06378), heavy-ball
        momentum. Ranges move towards the batch's extremes instead. y is what
        `models.truth` says. Returns the loss before the step. Raises
        ParameterError, with nothing changed, on arrays that do not fit or
        weights that are negative or all zero.
        """
        size = len(x)
        if not 1 <= size <= self.spec.batch_size:
            raise ParameterError(f"a step takes 1 to {self.spec.batch_size} examples, not {size}")
        return self._graph.step(
            checked_examples(self.spec, x),
            checked_truth(self.spec, y, size),
            sample_weight,
            learning_rate=learning_rate,
            momentum=momentum,
            mu=mu,
            correction=None if correction is None else checked_vector(self.spec, correction),
        )

    def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x float32[n, ...], any n -> float32[n, *spec.output_shape].

        Probabilities, of an svm raw scores; a regression's targets in normalised units; a
        reconstruction. Weights and activations are quantized as they are while training.
        """
        x = checked_examples(self.spec, x)
        size = self.spec.batch_size
        output = np.empty((len(x), int(np.prod(self.spec.output_shape))), np.float32)
        for start in range(0, len(x), size):
            batch = x[start : start + size]
            output[start : start + size] = self._infer(x=self._graph.padded(batch))["output"][
                : len(batch)
            ]
        return output.reshape(len(x), *self.spec.output_shape)
