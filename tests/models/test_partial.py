"""Modes that train some layers: what they touch, and that they agree with training all."""

from __future__ import annotations

import numpy as np
import pytest

from models.artifact import Artifact, load_artifact
from models.coordinates import touched
from models.errors import ParameterError
from models.partial import PartialModel
from models.spec import FULL, HEAD, INPUT, RECONSTRUCTION, SEGMENTATION, SPARSE, Role
from models.trainable import TrainableModel

F = np.float32


@pytest.fixture(params=[HEAD, SPARSE])
def partial(artifact: Artifact, request: pytest.FixtureRequest) -> PartialModel:
    mode = artifact.spec.mode(request.param)
    if mode is None:
        pytest.skip(f"{request.param} would train all that there is")
    return PartialModel(artifact, mode)


def batch(model: PartialModel, made_up):  # type: ignore[no-untyped-def]
    x, y = (column[: model.spec.batch_size] for column in made_up(model.spec))
    return x, x if model.spec.task == RECONSTRUCTION and model.mode.begins_at != INPUT else y


def test_a_step_moves_what_the_mode_touches_and_nothing_else(
    partial: PartialModel, made_up
) -> None:
    x, y = batch(partial, made_up)
    before = partial.parameters()
    prepared = partial.prepare(x)
    for _ in range(3):
        partial.train_step(prepared, y, np.ones(len(x), F), learning_rate=0.05, momentum=0.9)
    moved = partial.parameters() != before
    places = touched(partial.spec, partial.mode.name)
    inside = np.zeros(partial.spec.parameters, bool)
    for block in places.blocks:
        inside[block.slice] = True
        if block.role is not Role.RANGE:
            assert moved[block.slice].any(), block.name
    assert not moved[~inside].any()
    assert places.size == inside.sum() < partial.spec.parameters


def test_its_step_is_the_full_step_of_its_layers(
    partial: PartialModel, artifact: Artifact, made_up
) -> None:
    """Where the beginning's ranges have settled, the end cannot tell who computed the beginning."""
    spec = artifact.spec
    x, y = batch(partial, made_up)
    truth = np.zeros(len(x), int) if spec.task == RECONSTRUCTION else y
    weight = np.ones(len(x), F)
    whole = TrainableModel(artifact)
    # Steps of rate 0 move the ranges alone, a tenth of the way inwards each.
    for _ in range(80):
        whole.train_step(x, truth, weight, learning_rate=0.0)
    settled = whole.parameters()
    whole.restore(settled)
    whole.train_step(x, truth, weight, learning_rate=0.1)
    partial.restore(settled)
    partial.train_step(partial.prepare(x), y, weight, learning_rate=0.1)
    places = touched(spec, partial.mode.name)
    full, part = (places.take(m.parameters()) - places.take(settled) for m in (whole, partial))
    assert np.abs(full).max() > 1e-4
    # int8 and fake quantization may round a value to different levels here and there: most on
    # pixels, of which there are many. The mode's own graph agrees with NumPy to 1e-4, see
    # test_training_graph.py.
    share = 0.07 if spec.task == SEGMENTATION else 0.04
    assert np.linalg.norm(full - part) < share * np.linalg.norm(full)


def test_its_loss_falls(partial: PartialModel, made_up) -> None:
    x, y = batch(partial, made_up)
    prepared = partial.prepare(x)
    weight = np.ones(len(x), F)
    losses = [
        partial.train_step(prepared, y, weight, learning_rate=0.01, momentum=0.5) for _ in range(30)
    ]
    assert losses[-1] < 0.97 * losses[0]


def test_restore_is_bit_for_bit(partial: PartialModel) -> None:
    vector = np.random.default_rng(2).normal(size=partial.spec.parameters).astype(F)
    partial.restore(vector)
    assert partial.parameters().tobytes() == vector.tobytes()


def test_coordinates_go_out_and_come_back(artifact: Artifact) -> None:
    vector = np.arange(artifact.spec.parameters, dtype=F)
    for name in (FULL, HEAD, SPARSE):
        places = touched(artifact.spec, name)
        part = places.take(vector)
        assert part.size == places.size == sum(block.size for block in places.layout)
        other = np.zeros_like(vector)
        places.put(other, part)
        assert other[other != 0].tolist() == part[part != 0].tolist()
        offsets = [block.offset for block in places.layout]
        assert offsets == sorted(offsets)
        with pytest.raises(ParameterError):
            places.put(other, part[1:])
    assert touched(artifact.spec, FULL).blocks == artifact.spec.layout


def test_what_does_not_fit_is_refused() -> None:
    artifact = load_artifact("shoulder-cnn1d")
    mode = artifact.spec.mode(HEAD)
    assert mode is not None
    model = PartialModel(artifact, mode)
    with pytest.raises(ParameterError, match="features"):
        model.train_step(np.zeros((2, 40), np.int8), np.zeros(2, int), np.ones(2, F),
                         learning_rate=0.1)  # fmt: skip
    with pytest.raises(ParameterError):
        model.prepare(np.zeros((2, 199, 6), F))
    with pytest.raises(ParameterError):
        model.restore(np.zeros(3, F))
