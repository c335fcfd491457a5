"""TrainableModel: restores, learns, and refuses what does not fit without changing."""

from __future__ import annotations

import numpy as np
import pytest

from models.artifact import Artifact, load_artifact
from models.errors import ParameterError
from models.interpreter import runtime_name
from models.spec import Role
from models.trainable import TrainableModel

F = np.float32


def fit(model: TrainableModel, x, y, epochs: int, **settings) -> list[float]:  # type: ignore[no-untyped-def]
    """Mean loss of each epoch."""
    generator = np.random.default_rng(0)
    losses = []
    for _ in range(epochs):
        order = generator.permutation(len(x))
        size = model.spec.batch_size
        batches = [order[i : i + size] for i in range(0, len(x), size)]
        steps = [model.train_step(x[b], y[b], np.ones(len(b), F), **settings) for b in batches]
        losses.append(float(np.mean(steps)))
    return losses


def test_every_artifact_loads_in_the_stock_runtime(artifact: Artifact) -> None:
    model = TrainableModel(artifact)
    assert runtime_name() in ("tflite_runtime", "ai_edge_litert")
    np.testing.assert_array_equal(model.parameters(), artifact.initial_parameters())


def test_loss_falls_on_real_data(artifact: Artifact, recorded) -> None:
    x, y = recorded(artifact.spec)
    losses = fit(TrainableModel(artifact), x, y, 6, learning_rate=0.03, momentum=0.9)
    assert losses[-1] < 0.85 * losses[0], losses


def test_loss_falls_on_made_up_data(artifact: Artifact, made_up) -> None:
    x, y = made_up(artifact.spec)
    losses = fit(TrainableModel(artifact), x, y, 20, learning_rate=0.03, momentum=0.9)
    assert losses[-1] < 0.85 * losses[0], losses


def test_restore_is_bit_for_bit_and_forgets_momentum(artifact: Artifact, made_up) -> None:
    x, y = (column[: artifact.spec.batch_size] for column in made_up(artifact.spec))
    weight = np.ones(len(x), F)
    model = TrainableModel(artifact)
    vector = np.random.default_rng(1).normal(size=artifact.spec.parameters).astype(F)
    vector[:2] = [-0.0, 1e-40]
    model.restore(vector)
    assert model.parameters().tobytes() == vector.tobytes()

    start = artifact.initial_parameters()
    model.restore(start)
    model.train_step(x, y, weight, learning_rate=0.1, momentum=0.9)
    once = model.parameters()
    model.restore(start)
    model.train_step(x, y, weight, learning_rate=0.1, momentum=0.9)
    assert model.parameters().tobytes() == once.tobytes()
    assert once.tobytes() != start.tobytes()


def test_restore_moves_the_anchor(artifact: Artifact, made_up) -> None:
    x, y = (column[: artifact.spec.batch_size] for column in made_up(artifact.spec))
    weight = np.ones(len(x), F)
    with_mu, without = TrainableModel(artifact), TrainableModel(artifact)
    elsewhere = artifact.initial_parameters() + F(0.01)
    for model, mu in ((with_mu, 5.0), (without, 0.0)):
        model.restore(elsewhere)
        model.train_step(x, y, weight, learning_rate=0.1, mu=mu)
    # At the anchor itself the proximal term is 0, whatever mu.
    np.testing.assert_allclose(with_mu.parameters(), without.parameters(), atol=1e-6)


def test_ranges_widen_at_once_and_only_by_what_is_present(made_up) -> None:
    artifact = load_artifact("shoulder-cnn1d")
    x, y = (column[:2] for column in made_up(artifact.spec))
    x = x.copy()
    x[0, 0, 0], x[1, 0, 0] = 50.0, 90.0
    model = TrainableModel(artifact)
    model.train_step(x, y, np.array([1, 0], F), learning_rate=0.0)
    block = artifact.spec.block("input.range")
    assert block.role is Role.RANGE
    assert model.parameters()[block.slice][1] == 50.0


def test_infer_takes_any_number(artifact: Artifact, made_up) -> None:
    x, _ = made_up(artifact.spec)
    model = TrainableModel(artifact)
    whole = model.infer(x[:70])
    assert whole.shape == (70, *artifact.spec.output_shape)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(model.infer(x[:3]), whole[:3], atol=1e-6)
    assert model.infer(x[:0]).shape == (0, *artifact.spec.output_shape)


def test_probabilities_add_up_to_1(artifact: Artifact, made_up) -> None:
    if not artifact.spec.classes or artifact.spec.architecture == "svm":
        pytest.skip("answers no probabilities")
    scores = TrainableModel(artifact).infer(made_up(artifact.spec)[0][:5])
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"x": np.zeros((3, 12), F)},
        {"x": np.zeros((33, 13), F), "y": np.zeros(33, int), "sample_weight": np.ones(33, F)},
        {"x": np.zeros((0, 13), F), "y": np.zeros(0, int), "sample_weight": np.ones(0, F)},
        {"x": np.full((3, 13), np.nan, F)},
        {"y": np.array([0, 1, 2])},
        {"y": np.array([0, -1, 1])},
        {"y": np.zeros(3, F)},
        {"y": np.zeros(2, int)},
        {"sample_weight": np.zeros(3, F)},
        {"sample_weight": np.array([1, -1, 1], F)},
        {"sample_weight": np.array([1, np.inf, 1], F)},
        {"learning_rate": float("nan")},
        {"learning_rate": -0.1},
        {"mu": float("inf")},
        {"correction": np.zeros(5, F)},
        {"correction": np.zeros(32)},
    ],
    ids="-".join,
)
def test_a_bad_step_changes_nothing(change: dict[str, object]) -> None:
    model = TrainableModel(load_artifact("heart-logistic"))
    good = {
        "x": np.ones((3, 13), F),
        "y": np.array([0, 1, 1]),
        "sample_weight": np.ones(3, F),
        "learning_rate": 0.1,
    }
    before = model.parameters()
    with pytest.raises(ParameterError):
        model.train_step(**{**good, **change})
    assert model.parameters().tobytes() == before.tobytes()
    model.train_step(**good)
    assert model.parameters().tobytes() != before.tobytes()


@pytest.mark.parametrize(
    "vector",
    [np.zeros(31, F), np.zeros(32), np.zeros((1, 32), F), np.full(32, np.nan, F), [0.0] * 32],
    ids=["length", "float64", "shape", "nan", "list"],
)
def test_a_bad_restore_changes_nothing(vector: object) -> None:
    model = TrainableModel(load_artifact("heart-logistic"))
    before = model.parameters()
    with pytest.raises(ParameterError):
        model.restore(vector)  # type: ignore[arg-type]
    assert model.parameters().tobytes() == before.tobytes()


def test_infer_refuses_another_shape() -> None:
    with pytest.raises(ParameterError, match="takes"):
        TrainableModel(load_artifact("heart-svm")).infer(np.zeros((2, 12), F))
