"""A score falls with the ratio, and says which of them fail."""

from __future__ import annotations

import math

import pytest

from firmware_bridge.quality.reason import Finding, Reason, WindowQuality, ratio_at, score_of


def test_a_score_is_1_at_best_a_half_at_the_limit_and_never_below_0():
    ratios = [0.0, 0.5, 1.0, 2.0, 1e6, math.inf]
    scores = [score_of(ratio) for ratio in ratios]
    assert scores[0] == 1
    assert scores[2] == 0.5
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize("score", [0.001, 0.3, 0.5, 0.9, 1.0])
def test_the_ratio_at_a_score_has_that_score(score: float):
    assert score_of(ratio_at(score)) == pytest.approx(score)


def test_nothing_is_below_a_score_of_0():
    assert ratio_at(0.0) == math.inf


def test_each_reason_is_said_once():
    found = (
        Finding("y", Reason.GAP, 2.0),
        Finding("x", Reason.RANGE, 1.5),
        Finding("x", Reason.GAP, 2.0),
    )
    quality = WindowQuality(0.0625, found)
    assert quality.reasons == (Reason.RANGE, Reason.GAP)
    assert not quality.clean
    assert found[0].score == 0.0625
    assert WindowQuality(1.0).clean
