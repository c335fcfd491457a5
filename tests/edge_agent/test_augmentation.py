"""Turned and scaled windows: what changes, by how much, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.augmentation import rotations, triads, varied
from models.artifact import load_artifact
from models.spec import Channel


def channels(*described: str) -> list[Channel]:
    return [Channel(*one.split(":")) for one in described]


def windows(count: int = 400, steps: int = 20, columns: int = 7) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(count, steps, columns)).astype(np.float32)


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_rotations_keep_lengths_and_handedness() -> None:
    turns = rotations(50, 40.0, draw())
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)


def test_angles_have_the_deviation_that_was_asked_for_and_axes_have_no_favourite() -> None:
    turns = rotations(20_000, 10.0, draw())
    angles = np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert np.rad2deg(np.sqrt(np.mean(angles**2))) == pytest.approx(10.0, rel=0.02)
    # Turned evenly in all directions, the mean of the turned axes only grows shorter.
    mean = turns.mean(axis=0)
    np.testing.assert_allclose(mean, np.eye(3) * mean[0, 0], atol=0.005)


def test_all_vectors_of_a_window_turn_together_and_all_else_stays() -> None:
    x = windows()
    x[:, :, 4:7] = x[:, :, 0:3]
    turned = varied(x, (0, 4), 30.0, 0.0, draw())
    np.testing.assert_array_equal(turned[:, :, 3], x[:, :, 3])
    np.testing.assert_allclose(turned[:, :, 4:7], turned[:, :, 0:3], atol=1e-6)
    lengths = np.linalg.norm(turned[:, :, 0:3], axis=2), np.linalg.norm(x[:, :, 0:3], axis=2)
    np.testing.assert_allclose(*lengths, rtol=1e-5)
    assert np.abs(turned - x).max() > 0.5
    assert turned.dtype == np.float32


def test_a_windows_gain_is_one_for_all_its_readings() -> None:
    x = windows()
    gains = varied(x, (0, 4), 0.0, 0.1, draw())[:, :, 0:3] / x[:, :, 0:3]
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:, :1, :1], gains.shape), rtol=1e-5)
    logarithms = np.log(gains[:, 0, 0])
    assert logarithms.std() == pytest.approx(0.1, rel=0.15)
    assert abs(logarithms.mean()) < 0.02


def test_the_examples_that_it_is_given_are_not_changed_and_the_seed_decides() -> None:
    x = windows(8)
    before = x.copy()
    first, again, other = (varied(x, (0,), 15.0, 0.1, draw(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("described", "found"),
    [
        (("ax:[g]", "ay:[g]", "az:[g]", "wx:rad/s", "wy:rad/s", "wz:rad/s"), (0, 3)),
        (("hr:/min", "x:m/s2", "y:m/s2", "z:m/s2"), (1,)),
        (("acc_X:[g]", "acc_Y:[g]", "acc_Z:[g]"), (0,)),
        (("x:{count}", "y:{count}", "z:{count}"), ()),  # its zero is not known
        (("ax:[g]", "ay:[g]", "wz:rad/s"), ()),
        (("ax:[g]", "by:[g]", "az:[g]"), ()),
        (("az:[g]", "ay:[g]", "ax:[g]"), ()),  # mirrored; a turn would not be one
        (("ax:[g]", "ay:[g]"), ()),
        ((), ()),
    ],
)
def test_vectors_are_known_by_name_and_unit(
    described: tuple[str, ...], found: tuple[int, ...]
) -> None:
    assert triads(channels(*described)) == found


@pytest.mark.parametrize(("model", "found"), [("shoulder-cnn1d", (0, 3)), ("hmp-cnn1d", ())])
def test_vectors_of_the_models_that_ship(model: str, found: tuple[int, ...]) -> None:
    assert triads(load_artifact(model).spec.channels) == found
