"""Full-int8 inference of the installed model on live windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_agent.alerts import ANOMALY, Detection
from edge_agent.effects import Model
from edge_agent.windows import Window
from models.artifact import Artifact
from models.int8 import Int8Model, rewrite
from models.normalisation import Normalisation
from models.scores import anomaly_score, predict
from models.spec import CLASSIFICATION, REGRESSION
from models.truth import target_values


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A version as a rewritten int8 graph that runs.

    Attributes:
        digest: SHA-256 of the model's blob.
    """

    version: int
    digest: bytes
    normalisation: Normalisation
    graph: bytes
    runner: Int8Model


def candidate_of(artifact: Artifact, model: Model) -> Candidate:
    """Rewrite the artifact's int8 graph from a version's float32[P] parameters.

    Raises:
        ModelError: it cannot be rewritten, or the runtime refuses it.
    """
    graph = rewrite(artifact, model.parameters)
    return open_candidate(artifact, model.version, model.digest, model.normalisation, graph)


def open_candidate(
    artifact: Artifact, version: int, digest: bytes, normalisation: Normalisation, graph: bytes
) -> Candidate:
    """Open a graph that was rewritten before.

    Raises:
        ModelError: the runtime refuses it, or it does not fit the artifact.
    """
    return Candidate(version, digest, normalisation, graph, Int8Model(graph, artifact.spec))


class Inference:
    """The model that looks at every window; swapped whole when a new version is installed."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self._installed: Candidate | None = None

    @property
    def version(self) -> int | None:
        """The version that infers."""
        return None if self._installed is None else self._installed.version

    @property
    def digest(self) -> bytes | None:
        """SHA-256 of its model's blob."""
        return None if self._installed is None else self._installed.digest

    def use(self, candidate: Candidate) -> None:
        """Let a version look at windows from now on."""
        self._installed = candidate

    def detect(self, window: Window) -> Detection | None:
        """Say what a window shows; ``None`` before the first version is installed."""
        if self._installed is None:
            return None
        model = self._installed
        x = model.normalisation.apply(window.values[None])
        output = model.runner.infer(x)
        if self._artifact.spec.task == CLASSIFICATION:
            index = int(predict(self._artifact.spec, output)[0])
            what, score = self._artifact.spec.classes[index], float(output[0, index])
        elif self._artifact.spec.task == REGRESSION:
            values = target_values(self._artifact.spec, model.normalisation, output)
            what, score = self._artifact.spec.targets[0].name, float(values[0, 0])
        else:
            what, score = ANOMALY, float(anomaly_score(x, output)[0])
        if not np.isfinite(score):
            return None
        return Detection(window.sensor, window.start_ns, window.end_ns, what, score, model.version)
