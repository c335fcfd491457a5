"""Scores of a model. Pure NumPy, so that gateway and aggregator count alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError


def confusion_matrix(y: NDArray[Any], predicted: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """int64[K, K]: rows are true classes, columns predicted ones; integers in 0..K-1, any axes."""
    if y.ndim < 1 or y.shape != predicted.shape:
        raise ParameterError(f"labels {y.shape} and predictions {predicted.shape} do not pair up")
    truth, guess = y.astype(np.int64), predicted.astype(np.int64)
    for labels in (truth, guess):
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            raise ParameterError(f"a class index lies outside 0..{classes - 1}")
    counts = np.bincount((truth * classes + guess).reshape(-1), minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def accuracy(cm: NDArray[np.int64]) -> float:
    """Share of examples on the diagonal; 0 for no examples."""
    total = int(cm.sum())
    return float(np.trace(cm)) / total if total else 0.0


def macro_f1(cm: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur in the truth; 0 for no examples.

    A class that is predicted but never true lowers the others' precision and
    has no F1 of its own (scikit-learn would count it as 0).
    """
    true_positive = np.diag(cm).astype(np.float64)
    occurs = cm.sum(axis=1) > 0
    if not occurs.any():
        return 0.0
    # TP + FN and TP + FP; their sum is the denominator of 2 TP / (2 TP + FP + FN).
    denominator = cm.sum(axis=1) + cm.sum(axis=0)
    return float(np.mean(2.0 * true_positive[occurs] / denominator[occurs]))


def mean_iou(cm: NDArray[np.int64]) -> float:
    """Mean over the classes that occur in the truth of intersection over union (Jaccard)."""
    both = np.diag(cm).astype(np.float64)
    occurs = cm.sum(axis=1) > 0
    if not occurs.any():
        return 0.0
    either = cm.sum(axis=1) + cm.sum(axis=0) - np.diag(cm)
    return float(np.mean(both[occurs] / either[occurs]))


def rmse(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Root of the mean squared difference, in the unit of both; 0 for no examples."""
    if y.shape != predicted.shape:
        raise ParameterError(f"truth {y.shape} and predictions {predicted.shape} do not pair up")
    error = y.astype(np.float64) - predicted.astype(np.float64)
    return float(np.sqrt(np.square(error).mean())) if error.size else 0.0


def auc(positive: NDArray[Any], score: NDArray[Any]) -> float:
    """Area under the ROC curve: how often a positive outscores a negative; ties count half.

    positive bool[n], score float[n]. Raises ParameterError without both kinds.
    """
    marked = positive.astype(bool)
    above, below = int(marked.sum()), int((~marked).sum())
    if marked.shape != score.shape or not above or not below:
        raise ParameterError("an AUC needs a score each for positives and for negatives")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    rank = (last - (count - 1) / 2)[place]
    return float((rank[marked].sum() - above * (above + 1) / 2) / (above * below))
