"""Training some layers at a lower price: the network's beginning as int8 inference, its end by SGD.

What lies before the trained layers does not change while a plan is worked on, so an example's
features are computed once and kept as int8 levels: an epoch later the example costs the end alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.coordinates import Coordinates
from models.errors import ParameterError
from models.examples import checked_examples
from models.int8 import Int8Features
from models.spec import INPUT, RECONSTRUCTION, ModelSpec, TrainingMode
from models.step_graph import StepGraph
from models.trainable import TrainableModel
from models.truth import checked_truth
from models.vector import checked_vector


class PartialModel:
    """A model that learns in a mode other than `full`. Not thread-safe.

    Takes whole vectors float32[P] and whole examples, and gives whole vectors back, as
    :class:`models.trainable.TrainableModel` does; what the mode does not touch keeps its bits.
    """

    def __init__(self, artifact: Artifact, mode: TrainingMode, num_threads: int = 1) -> None:
        """Opens the mode's graph with the artifact's initial parameters restored.

        Raises ArtifactError if the runtime refuses the graph.
        """
        self.spec: ModelSpec = artifact.spec
        self.mode = mode
        self._artifact = artifact
        names = set(mode.blocks)
        self._inside = Coordinates(tuple(b for b in self.spec.layout if b.name in names))
        self._graph = StepGraph(
            artifact.mode_path(mode), self.spec.batch_size, self._inside.size, num_threads
        )
        self._features: Int8Features | None = None
        self.restore(artifact.initial_parameters())

    def parameters(self) -> NDArray[np.float32]:
        """The current vector, float32[P], a copy."""
        vector = self._whole.copy()
        self._inside.put(vector, self._graph.parameters())
        return vector

    def restore(self, parameters: NDArray[np.float32]) -> None:
        """Take over float32[P] as weights and as FedProx anchor; stop all momentum.

        Features that were computed before are void. Raises ParameterError.
        """
        self._whole = checked_vector(self.spec, parameters).copy()
        self._graph.restore(self._inside.take(self._whole))
        if self.mode.begins_at != INPUT:
            self._features = Int8Features(self._artifact, self._whole, self.mode.begins_at)

    def prepare(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """x float32[n, ...] normalised -> what `train_step` takes, to be kept over the epochs.

        int8[n, *mode.features] levels; x itself where the mode's graph begins at the input.
        """
        examples = checked_examples(self.spec, x)
        return examples if self._features is None else self._features.levels(examples)

    def train_step(
        self,
        prepared: NDArray[Any],
        y: NDArray[Any],
        sample_weight: NDArray[np.float32],
        *,
        learning_rate: float,
        momentum: float = 0.0,
        mu: float = 0.0,
        correction: NDArray[np.float32] | None = None,
    ) -> float:
        """One SGD step as of TrainableModel, on rows that `prepare` gave.

        y of an autoencoder is the normalised examples float32[n, ...] themselves. `correction`
        is float32[P]; what lies outside the mode is passed over. Raises ParameterError.
        """
        if prepared.shape[1:] != self.mode.features:
            raise ParameterError(f"features are {prepared.shape}, not n of {self.mode.features}")
        return self._graph.step(
            prepared if self._features is None else self._features.values(prepared),
            self._truth(y, len(prepared)),
            sample_weight,
            learning_rate=learning_rate,
            momentum=momentum,
            mu=mu,
            correction=None
            if correction is None
            else self._inside.take(checked_vector(self.spec, correction)),
        )

    @property
    def compares_with_input(self) -> bool:
        """Whether y is the normalised examples: an end has no other way to know them."""
        return self.spec.task == RECONSTRUCTION and self._features is not None

    def _truth(self, y: NDArray[Any], size: int) -> NDArray[Any]:
        if self.compares_with_input:
            if len(y) != size:
                raise ParameterError(f"y must be {size} examples, not {len(y)}")
            return checked_examples(self.spec, y)
        return checked_truth(self.spec, y, size)


def learner_of(artifact: Artifact, mode_name: str) -> TrainableModel | PartialModel:
    """What trains in a mode; all layers in one that the artifact does not have.

    Raises ArtifactError if the runtime refuses the graph.
    """
    mode = artifact.spec.mode(mode_name)
    return TrainableModel(artifact) if mode is None else PartialModel(artifact, mode)
