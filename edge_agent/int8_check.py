"""Whether an int8 graph answers as the float path does, on the same examples. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_agent.check_settings import CheckSettings
from models.scores import predict
from models.spec import CLASSIFICATION, SEGMENTATION, ModelSpec


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may be used, and the figure that says so, for the log."""

    passed: bool
    text: str


def judge(
    spec: ModelSpec,
    settings: CheckSettings,
    by_float: NDArray[np.float32],
    by_int8: NDArray[np.float32],
    y: NDArray[Any],
    known: NDArray[np.bool_],
) -> Verdict:
    """Compare answers float32[n, *output_shape] of both paths to the same n examples.

    Where enough of them have a label (bool[n] known) the accuracies on those are compared, else
    how often the classes agree; without classes, how far the numbers are apart.
    """
    if not np.isfinite(by_int8).all():
        return Verdict(False, "int8 answers NaN or infinity")
    if spec.task not in (CLASSIFICATION, SEGMENTATION):
        return _divergence(settings, by_float, by_int8)
    expected, found = predict(spec, by_float), predict(spec, by_int8)
    if spec.task == CLASSIFICATION and known.sum() >= settings.min_examples:
        return _accuracy(settings, expected[known], found[known], y[known])
    share = float((expected == found).mean())
    return Verdict(
        share >= settings.min_agreement,
        f"classes agree on {share:.3f} of {len(found)} windows, at least "
        f"{settings.min_agreement:g} wanted",
    )


def _accuracy(
    settings: CheckSettings,
    expected: NDArray[np.int64],
    found: NDArray[np.int64],
    y: NDArray[Any],
) -> Verdict:
    by_float, by_int8 = float((expected == y).mean()), float((found == y).mean())
    return Verdict(
        by_float - by_int8 <= settings.max_accuracy_loss,
        f"accuracy {by_int8:.3f} against {by_float:.3f} of the float path on {len(y)} examples, "
        f"at most {settings.max_accuracy_loss:g} less wanted",
    )


def _divergence(
    settings: CheckSettings, by_float: NDArray[np.float32], by_int8: NDArray[np.float32]
) -> Verdict:
    spread = float(np.sqrt(np.square(by_float - by_float.mean()).mean()))
    apart = float(np.sqrt(np.square(by_int8 - by_float).mean()))
    share = apart / max(spread, 1e-6)
    return Verdict(
        share <= settings.max_divergence,
        f"answers differ by {share:.3f} of their spread, at most "
        f"{settings.max_divergence:g} wanted",
    )
