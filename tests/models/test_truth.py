"""What y must be, task by task, and targets in and out of normalised units."""

from __future__ import annotations

import numpy as np
import pytest

from models.artifact import Artifact, load_artifact
from models.errors import ParameterError
from models.normalisation import Normalisation
from models.rehearsal import rehearsal
from models.truth import checked_truth, empty_truth, normalised_truth, target_values


def test_what_rehearses_fits(artifact: Artifact) -> None:
    spec = artifact.spec
    x, y = rehearsal(spec, np.random.default_rng(0), 5)
    assert x.shape == (5, *spec.input_shape)
    assert checked_truth(spec, y, 5).shape == (5, *spec.truth_shape)
    assert checked_truth(spec, empty_truth(spec, 5), 5).shape == (5, *spec.truth_shape)


@pytest.mark.parametrize(
    ("name", "y"),
    [
        ("shapes-unet", np.zeros((2, 32, 31), int)),
        ("shapes-unet", np.full((2, 32, 32), 3)),
        ("shapes-unet", np.zeros((2, 32, 32))),
        ("glucose-forecast", np.zeros(2)),
        ("glucose-forecast", np.array([[1.0], [np.nan]])),
        ("glucose-forecast", np.array([["a"], ["b"]])),
        ("heart-svm", np.array([0, 2])),
        ("heart-svm", np.zeros(2)),
    ],
)
def test_what_is_no_truth_is_refused(name: str, y: np.ndarray) -> None:
    with pytest.raises(ParameterError):
        checked_truth(load_artifact(name).spec, y, 2)


def test_targets_are_normalised_as_their_channel_is() -> None:
    spec = load_artifact("glucose-forecast").spec
    known = Normalisation((150.0,), (40.0,))
    y = np.array([[110.0], [230.0]], np.float32)
    inside = normalised_truth(spec, known, y)
    assert inside.tolist() == [[-1.0], [2.0]]
    assert target_values(spec, known, inside).tolist() == y.tolist()
    classes = np.array([0, 1])
    assert normalised_truth(load_artifact("heart-svm").spec, known, classes) is classes
