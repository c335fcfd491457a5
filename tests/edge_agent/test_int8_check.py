"""An int8 graph passes when it answers as the float path does."""

from __future__ import annotations

import numpy as np
import pytest

from broker.settings import SettingError
from edge_agent.check_settings import CheckSettings
from edge_agent.int8_check import judge
from models.artifact import load_artifact

SETTINGS = CheckSettings(
    min_examples=4, max_accuracy_loss=0.25, min_agreement=0.7, max_divergence=0.2
)
HEART = load_artifact("heart-mlp").spec


def answers(*classes: int) -> np.ndarray:
    return np.eye(2, dtype=np.float32)[list(classes)]


def verdict(by_float, by_int8, y, known, spec=HEART):  # type: ignore[no-untyped-def]
    return judge(spec, SETTINGS, by_float, by_int8, np.array(y), np.array(known, bool))


def test_with_labels_accuracies_are_compared() -> None:
    right, off_by_one = answers(0, 1, 0, 1), answers(0, 1, 0, 0)
    truth, all_known = [0, 1, 0, 1], [1, 1, 1, 1]
    assert verdict(right, off_by_one, truth, all_known).passed
    worse = verdict(right, answers(0, 1, 1, 0), truth, all_known)
    assert not worse.passed
    assert "accuracy 0.500 against 1.000" in worse.text
    # A float path that is wrong itself is no reason to refuse.
    assert verdict(answers(1, 0, 1, 0), answers(0, 0, 1, 0), truth, all_known).passed


def test_without_enough_labels_answers_have_to_agree() -> None:
    right = answers(0, 1, 0, 1)
    assert verdict(right, answers(0, 1, 0, 0), [0] * 4, [1, 1, 1, 0]).passed
    apart = verdict(right, answers(0, 1, 1, 0), [0] * 4, [1, 1, 1, 0])
    assert not apart.passed
    assert "agree on 0.500 of 4" in apart.text


def test_numbers_may_differ_by_a_share_of_their_spread() -> None:
    spec = load_artifact("glucose-forecast").spec
    by_float = np.array([[-1.0], [1.0], [-1.0], [1.0]], np.float32)
    assert verdict(by_float, by_float + 0.1, np.zeros((4, 1)), [1] * 4, spec).passed
    assert not verdict(by_float, by_float + 0.3, np.zeros((4, 1)), [1] * 4, spec).passed


def test_pixels_have_to_agree() -> None:
    spec = load_artifact("shapes-unet").spec
    by_float = np.zeros((1, 32, 32, 3), np.float32)
    by_float[..., 1] = 1
    by_int8 = by_float.copy()
    by_int8[:, :8, :, 2] = 2
    assert verdict(by_float, by_int8, np.zeros((1, 32, 32), int), [0], spec).passed
    by_int8[:, :16, :, 2] = 2
    assert not verdict(by_float, by_int8, np.zeros((1, 32, 32), int), [0], spec).passed


def test_what_is_not_finite_fails() -> None:
    broken = answers(0, 1).copy()
    broken[0, 0] = np.nan
    assert not verdict(answers(0, 1), broken, [0, 1], [0, 0]).passed


@pytest.mark.parametrize(
    ("key", "value"), [("held_back", 0.9), ("examples", -1), ("min_agreement", 2)]
)
def test_limits_that_cannot_be_are_named(key: str, value: float) -> None:
    with pytest.raises(SettingError) as caught:
        CheckSettings(**{key: value})  # type: ignore[arg-type]
    assert caught.value.key == f"check.{key}"
