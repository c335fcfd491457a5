"""How good a model is on examples that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.metrics import accuracy, confusion_matrix, macro_f1
from models.normalisation import Normalisation
from models.scores import anomaly_score, predict
from models.spec import CLASSIFICATION
from models.trainable import TrainableModel


@dataclass(frozen=True, slots=True)
class Score:
    """Accuracy and macro-F1 of a classifier; mean squared error of an autoencoder."""

    accuracy: float | None
    macro_f1: float | None
    reconstruction_error: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return what a report holds."""
        if self.reconstruction_error is None:
            return {"accuracy": self.accuracy, "macro_f1": self.macro_f1}
        return {
            "accuracy": None,
            "macro_f1": None,
            "reconstruction_error": self.reconstruction_error,
        }


def score_model(
    model: TrainableModel,
    parameters: NDArray[np.float32],
    normalisation: Normalisation,
    x: NDArray[np.float32],
    y: NDArray[np.int32],
) -> Score:
    """Score float32[P] parameters on x float32[n, ...] in the sensor's units, y int32[n]."""
    model.restore(parameters)
    normalised = normalisation.apply(x)
    output = model.infer(normalised)
    if model.spec.task != CLASSIFICATION:
        error = float(anomaly_score(normalised, output).mean())
        return Score(None, None, error)
    return score_predictions(y, predict(model.spec, output), len(model.spec.classes))


def score_predictions(y: NDArray[np.int32], predicted: NDArray[np.int64], classes: int) -> Score:
    """Score predictions int64[n] against classes y int32[n]."""
    matrix = confusion_matrix(y, predicted, classes)
    return Score(accuracy(matrix), macro_f1(matrix))
