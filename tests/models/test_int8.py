"""The rewritten int8 graph answers what the fake-quantized one does."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.artifact import Artifact, load_artifact
from models.errors import ArtifactError, ParameterError
from models.int8 import Int8Model, rewrite
from models.scores import predict
from models.spec import Role
from models.trainable import TrainableModel

F = np.float32


def trained(artifact: Artifact, x, y, epochs: int) -> TrainableModel:  # type: ignore[no-untyped-def]
    model = TrainableModel(artifact)
    for _ in range(epochs):
        size = artifact.spec.batch_size
        for start in range(0, len(x), size):
            batch, labels = x[start : start + size], y[start : start + size]
            weight = np.ones(len(batch), F)
            model.train_step(batch, labels, weight, learning_rate=0.03, momentum=0.9)
    return model


def assert_same_answers(artifact: Artifact, model: TrainableModel, x) -> None:  # type: ignore[no-untyped-def]
    expected = model.infer(x)
    content = rewrite(artifact, model.parameters())
    answers = Int8Model(content, artifact.spec).infer(x)
    assert answers.shape == expected.shape
    assert answers.dtype == np.float32
    assert np.abs(answers - expected).mean() < 0.01
    if artifact.spec.classes:
        same = predict(artifact.spec, answers) == predict(artifact.spec, expected)
        assert same.mean() >= 0.99


def test_agrees_after_training_on_real_data(artifact: Artifact, recorded) -> None:
    x, y = recorded(artifact.spec)
    assert_same_answers(artifact, trained(artifact, x[:640], y[:640], 8), x)


def test_agrees_after_training_on_made_up_data(artifact: Artifact, made_up) -> None:
    x, y = made_up(artifact.spec)
    assert_same_answers(artifact, trained(artifact, x, y, 10), x)


def test_tells_trained_from_untrained(artifact: Artifact, made_up) -> None:
    # Without this, a rewrite that writes nothing could pass for agreement.
    x, y = made_up(artifact.spec)
    model = trained(artifact, x, y, 3)
    first = Int8Model(rewrite(artifact, artifact.initial_parameters()), artifact.spec).infer(x)
    later = Int8Model(rewrite(artifact, model.parameters()), artifact.spec).infer(x)
    assert np.abs(first - later).mean() > 0.01


def test_keeps_the_length_and_the_artifact(artifact: Artifact) -> None:
    before = artifact.int8_path.read_bytes()
    content = rewrite(artifact, artifact.initial_parameters())
    assert len(content) == len(before)
    assert content != before
    assert artifact.int8_path.read_bytes() == before
    assert rewrite(artifact, artifact.initial_parameters()) == content


def test_every_activation_and_weight_is_int8(artifact: Artifact) -> None:
    model = Int8Model(rewrite(artifact, artifact.initial_parameters()), artifact.spec)
    kinds = {d["dtype"] for d in model._graph._interpreter.get_tensor_details()}
    # XNNPACK packs what it took over into nameless tensors of its own kind.
    assert {np.int8, np.int32} <= kinds
    assert np.float32 not in kinds


def test_survives_parameters_without_a_range(artifact: Artifact, made_up) -> None:
    # A noisy or averaged vector may hold any range; it may cost accuracy, never a crash.
    x = made_up(artifact.spec)[0][:3]
    for block in artifact.spec.layout:
        for limits in [(0, 0), (1, -1), (-1e6, 1e6)] if block.role is Role.RANGE else [(0,)]:
            vector = artifact.initial_parameters()
            vector[block.slice] = limits
            answers = Int8Model(rewrite(artifact, vector), artifact.spec).infer(x)
            assert np.isfinite(answers).all()


def test_refuses_parameters_that_do_not_fit() -> None:
    with pytest.raises(ParameterError):
        rewrite(load_artifact("heart-svm"), np.zeros(31, F))


def test_names_a_file_of_another_model(tmp_path: Path) -> None:
    artifact = load_artifact("heart-svm")
    shutil.copy(load_artifact("heart-mlp").int8_path, tmp_path / "infer_int8.tflite")
    strange = Artifact(tmp_path, artifact.spec)
    with pytest.raises(ArtifactError, match=r"infer_int8\.tflite"):
        rewrite(strange, artifact.initial_parameters())


def test_infer_refuses_another_shape() -> None:
    artifact = load_artifact("heart-svm")
    model = Int8Model(rewrite(artifact, artifact.initial_parameters()), artifact.spec)
    for x in (np.zeros((2, 12), F), np.zeros(13, F), np.full((2, 13), np.nan, F)):
        with pytest.raises(ParameterError):
            model.infer(x)
