"""How good a model is on examples that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.metrics import accuracy, auc, confusion_matrix, macro_f1, mean_iou, rmse
from models.normalisation import Normalisation
from models.scores import anomaly_score, predict
from models.spec import CLASSIFICATION, REGRESSION, SEGMENTATION, ModelSpec
from models.trainable import TrainableModel
from models.truth import target_values


@dataclass(frozen=True, slots=True)
class Score:
    """What a task is scored by; ``None`` is what it is not.

    Attributes:
        accuracy, macro_f1: of a classifier.
        reconstruction_error: mean squared error of an autoencoder, in normalised units.
        rmse: of a regression, in the unit of its targets.
        iou: of a segmentation: mean over the classes of intersection over union; its accuracy is
            that of pixels.
        auc: of a classifier of two classes, for the second.
    """

    accuracy: float | None = None
    macro_f1: float | None = None
    reconstruction_error: float | None = None
    rmse: float | None = None
    iou: float | None = None
    auc: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return what a report holds: accuracy and macro-F1 always, the others where they are."""
        others = {
            "reconstruction_error": self.reconstruction_error,
            "rmse": self.rmse,
            "iou": self.iou,
            "auc": self.auc,
        }
        known = {name: value for name, value in others.items() if value is not None}
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, **known}


def score_model(
    model: TrainableModel,
    parameters: NDArray[np.float32],
    normalisation: Normalisation,
    x: NDArray[np.float32],
    y: NDArray[Any],
) -> Score:
    """Score float32[P] parameters on x float32[n, ...] and y, both in the sensor's units."""
    model.restore(parameters)
    normalised = normalisation.apply(x)
    return score_output(model.spec, normalisation, normalised, model.infer(normalised), y)


def score_output(
    spec: ModelSpec,
    normalisation: Normalisation,
    normalised: NDArray[np.float32],
    output: NDArray[np.float32],
    y: NDArray[Any],
) -> Score:
    """Score what any runtime answered to the normalised x; y is in the sensor's units."""
    if spec.task == REGRESSION:
        return Score(rmse=rmse(y, target_values(spec, normalisation, output)))
    if spec.task == SEGMENTATION:
        matrix = confusion_matrix(y, predict(spec, output), len(spec.classes))
        return Score(accuracy(matrix), iou=mean_iou(matrix))
    if spec.task != CLASSIFICATION:
        return Score(reconstruction_error=float(anomaly_score(normalised, output).mean()))
    score = score_predictions(y, predict(spec, output), len(spec.classes))
    if len(spec.classes) != 2 or len(set(y.tolist())) < 2:
        return score
    certainty = output[:, 1].astype(np.float64) - output[:, 0]
    return Score(score.accuracy, score.macro_f1, auc=auc(y == 1, certainty))


def score_predictions(y: NDArray[Any], predicted: NDArray[np.int64], classes: int) -> Score:
    """Score predictions int64[n] against classes y int32[n]."""
    matrix = confusion_matrix(y, predicted, classes)
    return Score(accuracy(matrix), macro_f1(matrix))


def mean_score(scores: list[Score]) -> Score:
    """The mean of each figure over those that have it."""

    def mean(name: str) -> float | None:
        known = [value for score in scores if (value := getattr(score, name)) is not None]
        return float(np.mean(known)) if known else None

    return Score(**{name: mean(name) for name in Score.__dataclass_fields__})
