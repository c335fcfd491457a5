"""What outputs mean."""

from __future__ import annotations

import numpy as np
import pytest

from models.artifact import load_artifact
from models.errors import ParameterError
from models.scores import anomaly_score, answer, predict
from models.trainable import TrainableModel

F = np.float32


def test_answers_are_probabilities_scores_or_the_output_itself() -> None:
    raw = np.array([[0.0, np.log(3.0)], [1000.0, -1000.0]], F)
    probabilities = answer(load_artifact("heart-logistic").spec, raw)
    np.testing.assert_allclose(probabilities, [[0.25, 0.75], [1, 0]], atol=1e-6)
    assert answer(load_artifact("heart-svm").spec, raw) is raw
    assert answer(load_artifact("shoulder-autoencoder").spec, raw) is raw


def test_predictions_are_the_best_class() -> None:
    spec = load_artifact("heart-svm").spec
    assert predict(spec, np.array([[-1, 2], [3, 1], [1, 1]], F)).tolist() == [1, 0, 0]
    with pytest.raises(ParameterError, match="2"):
        predict(spec, np.zeros((4, 3), F))
    with pytest.raises(ParameterError, match="no classes"):
        predict(load_artifact("shoulder-autoencoder").spec, np.zeros((4, 3), F))


def test_anomaly_score_is_the_mean_squared_error() -> None:
    x = np.zeros((2, 4, 3))
    x[1] = 2.0
    assert anomaly_score(x, np.zeros((2, 4, 3), F)).tolist() == [0.0, 4.0]
    with pytest.raises(ParameterError):
        anomaly_score(x, np.zeros((2, 12), F))


def test_a_trained_autoencoder_finds_the_strange_window(made_up) -> None:
    artifact = load_artifact("shoulder-autoencoder")
    x, y = made_up(artifact.spec)
    model = TrainableModel(artifact)
    for _ in range(40):
        for start in range(0, len(x), 32):
            rows = slice(start, start + 32)
            model.train_step(x[rows], y[rows], np.ones(32, F), learning_rate=0.03, momentum=0.9)
    strange = np.random.default_rng(2).permuted(x, axis=1)
    usual = anomaly_score(x, model.infer(x))
    unusual = anomaly_score(strange, model.infer(strange))
    assert np.median(unusual) > 1.5 * np.median(usual)
