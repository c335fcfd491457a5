"""SCAFFOLD without a byte on the wire: what a gateway can know, and when it must not correct."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.messages import TrainingPlan
from edge_agent.control_variate import control_variate, reach_of

P = 5
REACH = 0.5


def gradients(gateways, seed=0):
    """Return one constant gradient float32[P] a gateway."""
    return np.random.default_rng(seed).normal(size=(gateways, P)).astype(np.float32)


def play_round(version, base, variates, gradient):
    """Return the new base and variates after a round of gateways with constant gradients."""
    corrections = [None if v is None else v.correction(version, base) for v in variates]
    deltas = [
        -REACH * (g if c is None else g + c) for g, c in zip(gradient, corrections, strict=True)
    ]
    kept = [
        control_variate(version, base, delta, correction, REACH)
        for delta, correction in zip(deltas, corrections, strict=True)
    ]
    return base + np.mean(deltas, axis=0, dtype=np.float32), kept, deltas


def test_from_the_second_round_on_every_gateway_steps_along_the_average_gradient():
    gradient = gradients(4)
    base, variates, deltas = play_round(0, np.zeros(P, np.float32), [None] * 4, gradient)
    assert not np.allclose(deltas[0], deltas[1])
    for version in (1, 2, 3):
        base, variates, deltas = play_round(version, base, variates, gradient)
        for delta in deltas:
            np.testing.assert_allclose(delta, -REACH * gradient.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_what_is_kept_is_the_gradient_that_no_correction_has_touched():
    gradient = gradients(3)
    base, variates, _ = play_round(0, np.zeros(P, np.float32), [None] * 3, gradient)
    _, variates, _ = play_round(1, base, variates, gradient)
    for variate, own in zip(variates, gradient, strict=True):
        np.testing.assert_allclose(variate.own, own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("version", [0, 2, 7])
def test_a_gateway_that_missed_a_round_is_not_corrected(version):
    variate = control_variate(0, np.zeros(P), np.ones(P, np.float32), None, REACH)
    assert variate.correction(version, np.ones(P, np.float32)) is None
    assert variate.correction(1, np.ones(P, np.float32)) is not None


def test_another_length_or_what_is_not_finite_is_no_correction():
    variate = control_variate(
        0, np.zeros(P, np.float32), np.full(P, np.inf, np.float32), None, REACH
    )
    assert variate.correction(1, np.zeros(P, np.float32)) is None
    assert variate.correction(1, np.zeros(P + 1, np.float32)) is None


def test_reach_is_how_far_a_constant_gradient_of_one_carries():
    assert reach_of(TrainingPlan(1, 0.1, 0.0, 0.0), 10) == pytest.approx(1.0)
    # Heavy-ball momentum carries 1 / (1 - momentum) as far in the long run.
    assert reach_of(TrainingPlan(1, 0.1, 0.9, 0.0), 10) == pytest.approx(10.0)
