"""The version that a round commits: what its step gives, and what is carried."""

from __future__ import annotations

import numpy as np
import pytest

from broker.aggregator.next_model import NextModel, next_model
from broker.protocol.compression import Layout
from broker.protocol.model_blob import pack_model, unpack_model
from broker.protocol.model_delta import step_model
from models.normalisation import Normalisation

ARTIFACT = b"a" * 32
KNOWN = Normalisation((0.0,), (1.0,))
PARAMETERS = 1000
LAYOUT = Layout.plain(PARAMETERS)
FEEDBACK = ("q8", "q4|golomb", "topk=0.05|sign|golomb", "randk=0.1|q8", "clip=0.1|q8")


def blob(parameters: np.ndarray, version: int = 0) -> bytes:
    return pack_model(version, ARTIFACT, KNOWN, parameters)


def parameters_of(model: NextModel) -> np.ndarray:
    return unpack_model(model.blob, ARTIFACT, PARAMETERS)[2]


def drawn(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, PARAMETERS).astype(np.float32)


def made(base: bytes, target: np.ndarray, carry: np.ndarray | None, text: str) -> NextModel:
    return next_model(base, target, carry, text, LAYOUT, np.random.default_rng(5))


@pytest.mark.parametrize("text", FEEDBACK)
def test_the_version_is_what_a_gateway_makes_of_the_step(text: str) -> None:
    base = blob(drawn(0))
    model = made(base, drawn(1), None, text)
    assert model.delta is not None
    assert step_model(base, model.delta, LAYOUT) == model.blob
    assert len(model.delta) < len(model.blob) / 3


@pytest.mark.parametrize("text", FEEDBACK)
def test_what_a_step_leaves_out_comes_with_later_ones(text: str) -> None:
    """Error feedback: the sum of all steps is the sum of what was meant, less the last carry."""
    meant = current = drawn(0)
    carry: np.ndarray | None = None
    for version in range(40):
        wanted = drawn(version + 1) * np.float32(0.01)
        meant = meant + wanted
        model = made(blob(current, version), current + wanted, carry, text)
        current, carry = parameters_of(model), model.carry
        assert carry is not None
        np.testing.assert_allclose(current + carry, meant, atol=1e-5)
    assert np.linalg.norm(carry) > 0


@pytest.mark.parametrize("text", FEEDBACK)
def test_a_target_that_stays_is_reached(text: str) -> None:
    current, target = drawn(0), drawn(1)
    goal, carry = target, None
    before = float(np.linalg.norm(target - current))
    for version in range(60):
        model = made(blob(current, version), goal, carry, text)
        current, carry = parameters_of(model), model.carry
        goal = current
    assert np.linalg.norm(target - current) < 0.6 * before


def test_without_a_codec_the_version_is_what_was_meant() -> None:
    carry = np.full(PARAMETERS, 0.5, np.float32)
    model = made(blob(drawn(0)), drawn(1), carry, "none")
    assert (model.delta, model.carry) == (None, None)
    assert parameters_of(model).tobytes() == (drawn(1) + carry).tobytes()


@pytest.mark.parametrize(
    ("text", "target"),
    [("topk=1", drawn(1)), ("ternary", drawn(1)), ("q8", np.full(PARAMETERS, 2e30, np.float32))],
)
def test_a_step_that_saves_nothing_or_cannot_be_written_is_not_taken(
    text: str, target: np.ndarray
) -> None:
    model = made(blob(drawn(0)), target, None, text)
    assert (model.delta, model.carry) == (None, None)
    assert parameters_of(model).tobytes() == target.tobytes()


def test_a_carry_of_another_length_is_forgotten() -> None:
    short = np.ones(3, np.float32)
    model = made(blob(drawn(0)), drawn(1), short, "none")
    assert parameters_of(model).tobytes() == drawn(1).tobytes()
