"""Full-int8 inference of the installed model on live windows."""

from __future__ import annotations

import numpy as np

from edge_agent.alerts import ANOMALY, Detection
from edge_agent.effects import Model
from edge_agent.memory import give_memory_back
from edge_agent.windows import Window
from models.artifact import Artifact
from models.int8 import Int8Model, rewrite
from models.scores import anomaly_score, predict
from models.spec import CLASSIFICATION


class Inference:
    """The model that looks at every window; swapped whole when a new version is installed."""

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self._installed: tuple[Model, Int8Model] | None = None

    @property
    def version(self) -> int | None:
        """The version that is installed."""
        return None if self._installed is None else self._installed[0].version

    def install(self, model: Model) -> None:
        """Rewrite the int8 graph from float32[P] parameters and swap it in.

        Raises:
            ModelError: the graph cannot be rewritten; the one before stays.
        """
        graph = rewrite(self._artifact, model.parameters)
        self._installed = (model, Int8Model(graph, self._artifact.spec))
        give_memory_back()

    def detect(self, window: Window) -> Detection | None:
        """Say what a window shows; ``None`` before the first version is installed."""
        if self._installed is None:
            return None
        model, graph = self._installed
        x = model.normalisation.apply(window.values[None])
        output = graph.infer(x)
        if self._artifact.spec.task == CLASSIFICATION:
            index = int(predict(self._artifact.spec, output)[0])
            what, score = self._artifact.spec.classes[index], float(output[0, index])
        else:
            what, score = ANOMALY, float(anomaly_score(x, output)[0])
        if not np.isfinite(score):
            return None
        return Detection(window.sensor, window.start_ns, window.end_ns, what, score, model.version)
