"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ParameterError
from models.metrics import accuracy, auc, confusion_matrix, macro_f1, mean_iou, rmse

Y = np.array([0, 0, 0, 1, 1, 2], np.int8)
GUESS = np.array([0, 0, 1, 1, 2, 2])


def test_by_hand() -> None:
    cm = confusion_matrix(Y, GUESS, 3)
    assert cm.dtype == np.int64
    assert cm.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert accuracy(cm) == pytest.approx(4 / 6)
    # F1 = 2 TP / (2 TP + FP + FN): 4/5, 2/4, 2/3.
    assert macro_f1(cm) == pytest.approx((4 / 5 + 1 / 2 + 2 / 3) / 3)


def test_a_class_that_never_occurs_has_no_f1_but_costs_precision() -> None:
    cm = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 4)
    assert macro_f1(cm) == pytest.approx((2 / 3 + 1) / 2)


def test_matrices_of_parts_add_up() -> None:
    parts = confusion_matrix(Y[:2], GUESS[:2], 3) + confusion_matrix(Y[2:], GUESS[2:], 3)
    assert (parts == confusion_matrix(Y, GUESS, 3)).all()


def test_nothing_scores_nothing() -> None:
    cm = confusion_matrix(np.array([], int), np.array([], int), 3)
    assert (accuracy(cm), macro_f1(cm)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("y", "guess"), [([0, 3], [0, 0]), ([0, 0], [0, -1]), ([0], [0, 0]), ([[0]], [0])]
)
def test_refuses_what_is_no_pair_of_class_lists(y: list[int], guess: list[int]) -> None:
    with pytest.raises(ParameterError):
        confusion_matrix(np.array(y), np.array(guess), 3)


def test_overlap_of_two_classes() -> None:
    truth, guess = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    # Class 0: 1 of 2 pixels in both; class 1: 2 of 3.
    assert mean_iou(confusion_matrix(truth, guess, 3)) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert mean_iou(np.zeros((3, 3), np.int64)) == 0.0


def test_rmse_is_in_the_unit_of_what_it_compares() -> None:
    assert rmse(np.array([[100.0], [110.0]]), np.array([[103.0], [106.0]])) == pytest.approx(
        np.sqrt(12.5)
    )
    assert rmse(np.zeros((0, 1)), np.zeros((0, 1))) == 0.0
    with pytest.raises(ParameterError):
        rmse(np.zeros((2, 1)), np.zeros(2))


def test_auc_counts_pairs() -> None:
    generator = np.random.default_rng(0)
    positive, score = generator.random(80) < 0.3, generator.integers(0, 9, 80).astype(float)
    above, below = score[positive][:, None], score[~positive][None]
    expected = (above > below).mean() + 0.5 * (above == below).mean()
    assert auc(positive, score) == pytest.approx(expected)
    with pytest.raises(ParameterError):
        auc(np.ones(3, bool), np.zeros(3))
