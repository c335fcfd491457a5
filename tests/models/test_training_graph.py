"""One training step of every artifact against an independent one in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from models.artifact import Artifact
from models.partial import PartialModel
from models.spec import CLASSIFICATION, HEAD, SEGMENTATION, SPARSE, Role
from models.trainable import TrainableModel
from tests.models.reference import Array, Reference

F = np.float32
# Levels from the middle between two: float32 sums of a few hundred products differ by less.
NEAR_A_TIE = 1e-4


def disturbed(artifact: Artifact) -> Array:
    """Parameters off their initial values: biases and ranges are then not special."""
    noise = np.random.default_rng(11).normal(0, 0.05, artifact.spec.parameters)
    return (artifact.initial_parameters() + noise).astype(F)


def difference(model, reference: Reference, x, y, weight, settings) -> float:  # type: ignore[no-untyped-def]
    """Take the step in both; the largest difference of the loss or of a parameter, of 1 or more."""
    before = reference.vector.copy()
    expected = reference.step(x, y, weight, **settings)
    loss = model.train_step(x, y, weight, **settings)
    assert np.abs(reference.vector - before).max() > 1e-3, "the step has to move something"
    apart = np.abs(model.parameters() - reference.vector) / np.maximum(np.abs(reference.vector), 1)
    # Later steps start from the same bits again; momentum is each one's own.
    reference.vector = model.parameters()
    return max(float(apart.max()), abs(loss - expected) / max(1.0, abs(expected)))


def assert_agreement(found: list[tuple[float, float]]) -> None:
    """1e-4, but for a batch in which a value lies halfway between two levels: see `nearest_tie`.

    Such a value may get another level in one runtime, and moves a gradient by some 1e-4. A wrong
    formula agrees on no batch at all.
    """
    apart = [difference for difference, _ in found]
    assert all(d < 1e-4 or tie < NEAR_A_TIE for d, tie in found), found
    assert sum(d < 1e-4 for d in apart) >= 0.75 * len(apart), found


def few(examples, generator: np.random.Generator, count: int = 4):  # type: ignore[no-untyped-def]
    """So few that most batches have no value at a tie; the graph pads the batch."""
    chosen = generator.permutation(len(examples[0]))[:count]
    return (column[chosen] for column in examples)


@pytest.mark.parametrize("full", [True, False], ids=["full batch", "few examples"])
def test_two_steps_agree_with_numpy(artifact: Artifact, made_up, full: bool) -> None:
    spec = artifact.spec
    examples = made_up(spec)
    generator = np.random.default_rng(5)
    correction = generator.normal(0, 0.02, spec.parameters).astype(F)
    for block in spec.layout:
        if block.role is Role.RANGE:
            correction[block.slice] = 0
    model = TrainableModel(artifact)
    found = []
    for _ in range(8):
        x, y = few(examples, generator, spec.batch_size if full else 4)
        weight = generator.uniform(0.5, 2.0, len(x)).astype(F)
        weight[len(x) // 2] = 0.0
        reference = Reference(spec, disturbed(artifact))
        model.restore(reference.vector)
        settings = {"learning_rate": 0.05, "momentum": 0.9, "correction": correction}
        first = difference(model, reference, x, y, weight, {**settings, "mu": 0.0})
        second = difference(model, reference, x, y, weight, {**settings, "mu": 0.3})
        found.append((max(first, second), reference.nearest_tie))
    if not full:
        assert_agreement(found)
        return
    # Of the many values of a full batch some always lie at a tie.
    apart = [difference for difference, _ in found]
    assert sum(d < 1e-4 for d in apart) >= len(apart) / 4, found
    assert max(apart) < 1e-2, found


def plain(size: int, rate: float = 1.0):  # type: ignore[no-untyped-def]
    """At rate 1 without momentum the step is the gradient, so 1e-4 is not scaled down."""
    still = np.zeros(size, F)
    return {"learning_rate": rate, "momentum": 0.0, "mu": 0.0, "correction": still}


def test_the_gradient_itself_agrees_with_numpy(artifact: Artifact, made_up) -> None:
    model, found = TrainableModel(artifact), []
    for seed in range(12):
        x, y = few(made_up(artifact.spec), np.random.default_rng(seed))
        reference = Reference(artifact.spec, disturbed(artifact))
        model.restore(reference.vector)
        settings = plain(artifact.spec.parameters)
        apart = difference(model, reference, x, y, np.ones(len(x), F), settings)
        found.append((apart, reference.nearest_tie))
    assert_agreement(found)


@pytest.mark.parametrize("name", [HEAD, SPARSE])
def test_the_gradient_of_a_mode_agrees_with_numpy(artifact: Artifact, made_up, name: str) -> None:
    spec, mode = artifact.spec, artifact.spec.mode(name)
    if mode is None:
        pytest.skip(f"{name} would train all that there is")
    model, found = PartialModel(artifact, mode), []
    for seed in range(12):
        x, y = few(made_up(spec), np.random.default_rng(seed))
        if model.compares_with_input:
            y = x
        reference = Reference(spec, disturbed(artifact), mode)
        model.restore(reference.vector)
        prepared = model.prepare(x)
        features = prepared if model._features is None else model._features.values(prepared)
        before, weight = reference.vector.copy(), np.ones(len(x), F)
        expected = reference.step(features, y, weight, **plain(spec.parameters))
        loss = model.train_step(prepared, y, weight, **plain(spec.parameters))
        assert np.abs(reference.vector - before).max() > 1e-3, "the step has to move something"
        off = np.abs(model.parameters() - reference.vector)
        apart = off / np.maximum(np.abs(reference.vector), 1)
        found.append(
            (
                max(float(apart.max()), abs(loss - expected) / max(1.0, abs(expected))),
                reference.nearest_tie,
            )
        )
    assert_agreement(found)


def test_infer_agrees_with_numpy(artifact: Artifact, made_up) -> None:
    x, _ = made_up(artifact.spec)
    x = x[:40]
    model, reference = TrainableModel(artifact), Reference(artifact.spec, disturbed(artifact))
    model.restore(reference.vector)
    expected, _, _ = reference.forward(x)
    spec = artifact.spec
    if spec.task in (CLASSIFICATION, SEGMENTATION) and spec.architecture != "svm":
        expected = expected.reshape(40, -1, len(spec.classes))
        expected = np.exp(expected - expected.max(axis=2, keepdims=True))
        expected = (expected / expected.sum(axis=2, keepdims=True)).reshape(40, -1)
    # Rounding makes a difference of a level or two of the last activation, here and there.
    np.testing.assert_allclose(model.infer(x).reshape(40, -1), expected, atol=0.1)
    assert np.abs(model.infer(x).reshape(40, -1) - expected).mean() < 1e-4


def test_a_row_of_weight_0_changes_nothing(artifact: Artifact, made_up) -> None:
    half = artifact.spec.batch_size // 2
    x, y = (column[:half] for column in made_up(artifact.spec))
    short, padded = TrainableModel(artifact), TrainableModel(artifact)
    extended = np.concatenate([x, 100 * x])
    weight = np.repeat([1.0, 0.0], half).astype(F)
    short.train_step(x, y, weight[:half], learning_rate=0.1)
    padded.train_step(extended, np.concatenate([y, y]), weight, learning_rate=0.1)
    np.testing.assert_allclose(padded.parameters(), short.parameters(), atol=1e-6)
