"""Metrics against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ParameterError
from models.metrics import accuracy, confusion_matrix, macro_f1

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
    ("y", "guess"), [([0, 3], [0, 0]), ([0, 0], [0, -1]), ([0], [0, 0]), ([[0]], [[0]])]
)
def test_refuses_what_is_no_pair_of_class_lists(y: list[int], guess: list[int]) -> None:
    with pytest.raises(ParameterError):
        confusion_matrix(np.array(y), np.array(guess), 3)
