"""Codecs: exact where they say so, unbiased with the stated variance, strict, and bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from broker.protocol.compression import (
    MAX_MAGNITUDE,
    Layout,
    Shared,
    Vector,
    codec,
    max_payload_bytes,
)
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from tests.broker.protocol.compression.chains import CHAINS, delta, generator, layout, shared

EXACT = ("none", "residual")
UNBIASED = [t for t in CHAINS if codec(t).chain.unbiased and t not in EXACT]
P = layout().parameters


def sent(text: str, vector: Vector, found: Shared, seed: int = 0) -> Vector:
    payload = codec(text).compress(vector, found, generator(seed)).payload
    return codec(text).decompress(payload, found).dense()


@given(hnp.arrays(np.float32, P, elements=st.floats(-(2.0**20), 2.0**20, width=32)))
def test_none_is_exact(vector: Vector) -> None:
    assert np.array_equal(sent("none", vector, shared()), vector)


@pytest.mark.parametrize("text", CHAINS)
@given(hnp.arrays(np.float32, P, elements=st.floats(-(2.0**20), 2.0**20, width=32)))
@settings(max_examples=20)
def test_what_is_written_is_read_in_shape_and_within_the_limits(text: str, vector: Vector) -> None:
    payload = codec(text).compress(vector, shared(), generator()).payload
    assert len(payload) <= max_payload_bytes(P)
    found = codec(text).decompress(payload, shared())
    assert found.dense().shape == (P,)
    assert found.dense().dtype == np.float32
    assert np.isfinite(found.values).all()
    if found.indices is not None:
        assert len(set(found.indices.tolist())) == found.indices.size == found.values.size


@pytest.mark.parametrize("text", CHAINS)
def test_what_is_random_is_the_generators_and_the_seeds(text: str) -> None:
    vector = delta(layout())
    first, second = (codec(text).compress(vector, shared(), generator(4)).payload for _ in "ab")
    assert first == second


@pytest.mark.parametrize("text", UNBIASED)
def test_unbiased_codecs_have_the_delta_as_their_mean(text: str) -> None:
    vector, runs = delta(layout(), 1), 500
    found = np.stack([sent(text, vector, shared(seed), seed) for seed in range(runs)])
    error = found.mean(axis=0, dtype=np.float64) - vector
    deviation = found.std(axis=0, dtype=np.float64) / np.sqrt(runs)
    spread = np.where(np.isin(np.arange(P), layout().ranges), 10.0, np.ptp(found[:, :200]))
    # 5 standard errors of each of 296 means, and what is too rare to be seen in so many runs.
    assert (np.abs(error) <= 5 * deviation + 10 * spread / runs).all()
    # And of their sum of squares: a bias too small for one coordinate would show here.
    seen = deviation > 0.2 * np.median(deviation)
    assert seen.mean() > 0.8
    assert np.square(error[seen] / deviation[seen]).mean() < 1.35


@pytest.mark.parametrize(("text", "steps"), [("ternary", 2), ("q2", 3), ("q4", 14), ("q8", 254)])
def test_the_variance_of_a_grid_is_as_stated(text: str, steps: int) -> None:
    """(v - a)(b - v) between neighbours a and b; the scale is the largest value, rounded up."""
    vector = generator(3).normal(0, 0.02, 100).astype(np.float32)
    top = float(np.abs(vector).max())
    found = Shared(Layout.plain(100))
    runs = np.stack([sent(text, vector, found, seed) for seed in range(800)])
    scale = float(np.abs(runs).max())
    assert top <= scale <= top * (1 + 2**-7)
    place = (vector.astype(np.float64) / scale + 1) * steps / 2
    share = place - np.floor(place)
    expected = share * (1 - share) * (2 * scale / steps) ** 2
    assert runs.var(axis=0).mean() == pytest.approx(expected.mean(), rel=0.05)
    assert expected.max() <= (scale / steps) ** 2


def test_the_variance_of_random_coordinates_is_as_stated() -> None:
    """(n/k - 1) v**2 for each value."""
    found, vector = Layout.plain(100), generator(5).normal(size=100).astype(np.float32)
    runs = np.stack([sent("randk=0.2", vector, Shared(found, seed)) for seed in range(1500)])
    ratio = runs.var(axis=0) / (4 * np.square(vector))
    assert ratio.mean() == pytest.approx(1, rel=0.06)


@pytest.mark.parametrize("text", [text for text in CHAINS if "clip" not in text])
def test_ranges_are_always_sent_and_share_no_scale_with_weights(text: str) -> None:
    found, vector = layout(), delta(layout(), 2)
    error = np.abs(sent(text, vector, shared()) - vector)
    step = np.abs(vector[found.ranges]).max() * (1 + 2**-7) / 127
    assert (error[found.ranges] <= step * 1.001).all()
    # A weight's error is bounded by weights, or by all that random-k scales up: never by a range.
    assert error[found.body].max() < 1.1


@pytest.mark.parametrize("text", ["ternary", "q2", "q4", "q8", "sign"])
def test_scales_follow_the_layers(text: str) -> None:
    found = layout()
    vector = np.zeros(P, np.float32)
    small, large = found.body[:200], found.body[200:]
    vector[small], vector[large] = 0.001, 1000
    received = sent(text, vector, shared())
    assert np.abs(received[small]).max() < 0.0011


def test_top_k_sends_the_largest_and_random_k_what_the_round_draws() -> None:
    found, vector = Layout.plain(1000), generator(6).normal(size=1000).astype(np.float32)
    top = np.flatnonzero(sent("topk=0.02", vector, Shared(found)))
    assert set(top) == set(np.argsort(-np.abs(vector))[:20])
    drawn = [np.flatnonzero(sent("randk=0.02", vector, Shared(found, seed))) for seed in (1, 1, 2)]
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()


def test_clip_bounds_the_norm_of_the_weights_alone() -> None:
    found, vector = layout(), delta(layout(), 3)
    assert np.linalg.norm(vector[found.body]) > 0.1
    received = sent("clip=0.1", vector, shared())
    assert np.linalg.norm(received[found.body]) == pytest.approx(0.1, rel=1e-5)
    assert np.array_equal(received[found.ranges], vector[found.ranges])
    assert np.array_equal(sent("clip=9", vector, shared()), vector)


def test_what_is_left_out_and_what_is_sent_add_up() -> None:
    vector, before = delta(layout(), 4), delta(layout(), 5) / 10
    chain = codec("residual|topk=0.01|sign|golomb")
    compressed = chain.compress(vector, shared(), generator(), before)
    received = chain.decompress(compressed.payload, shared()).dense()
    assert compressed.left is not None
    assert np.allclose(before + compressed.left, vector + before - received, atol=1e-6)


def test_a_share_of_what_is_owed_is_kept() -> None:
    """Of what this update leaves out and of what earlier ones did, never of what is sent."""
    vector, before = delta(layout(), 4), delta(layout(), 5) / 10
    chain = codec("residual=0.25|topk=0.01|sign|golomb")
    for residual in (None, before):
        compressed = chain.compress(vector, shared(), generator(), residual)
        received = chain.decompress(compressed.payload, shared()).dense()
        owed = np.zeros(P, np.float32) if residual is None else residual
        assert compressed.left is not None
        assert np.allclose(owed + compressed.left, 0.25 * (vector + owed - received), atol=1e-6)


@pytest.mark.parametrize("text", ["topk=0.02|sign", "topk=0.02|ternary", "randk=0.1|q4", "sign"])
def test_error_feedback_sends_everything_in_the_end(text: str) -> None:
    """The mean of what is sent comes ever nearer to the delta: the residual is bounded."""
    chain, found = codec(f"residual|{text}"), layout()
    vector = delta(found, 6)
    residual, total = np.zeros(P, np.float32), np.zeros(P, np.float32)
    errors = []
    for round_ in range(400):
        compressed = chain.compress(vector, shared(round_), generator(round_), residual)
        total += chain.decompress(compressed.payload, shared(round_)).dense()
        assert compressed.left is not None
        residual += compressed.left
        errors.append(np.linalg.norm((total / (round_ + 1) - vector)[found.body]))
    assert errors[-1] < 0.2 * np.linalg.norm(vector[found.body])
    assert errors[399] < 0.8 * errors[199] < 0.8 * 0.8 * errors[99]


def test_zeros_stay_zeros() -> None:
    for text in ("ternary", "q4|golomb", "q8", "residual|topk=0.1|sign"):
        assert not sent(text, np.zeros(P, np.float32), shared()).any()


@pytest.mark.parametrize("text", CHAINS)
def test_values_that_underflow_and_values_at_the_limit_go_through(text: str) -> None:
    for value in (1e-45, 1e-38, 0.99 * MAX_MAGNITUDE / P):
        vector = np.full(P, value, np.float32)
        assert np.isfinite(sent(text, vector, shared())).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e30, -3e38])
@pytest.mark.parametrize("text", CHAINS)
def test_what_is_not_finite_or_too_large_is_not_sent(text: str, value: float) -> None:
    vector = np.ones(P, np.float32)
    vector[5] = value
    with pytest.raises(LocalProtocolError):
        codec(text).compress(vector, shared(), generator())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e30, -3e38])
def test_float32_that_is_not_finite_or_too_large_is_not_taken(value: float) -> None:
    found = Shared(Layout.plain(2))
    payload = np.array([1, value], "<f4").tobytes()
    for text, head in (("none", b""), ("topk=1", b"\x02")):
        with pytest.raises(RemoteProtocolError):
            codec(text).decompress(head + payload, found)


@pytest.mark.parametrize("scale", [0x7F80, 0x7FC0, 0xBF80, 0x8000, 0x7F7F])
def test_scales_that_are_not_finite_negative_or_too_large_are_not_taken(scale: int) -> None:
    payload = np.array([scale], "<u2").tobytes() + b"\xfe\xfe"
    with pytest.raises(RemoteProtocolError, match="scale"):
        codec("q8").decompress(payload, Shared(Layout.plain(2)))


@pytest.mark.parametrize("text", CHAINS)
@given(st.data())
@settings(max_examples=25)
def test_any_bytes_decode_or_are_refused(text: str, data: st.DataObject) -> None:
    """Bytes out of nothing, and payloads with a few bytes changed, which come further."""
    payload = bytearray(codec(text).compress(delta(layout()), shared(), generator()).payload)
    if data.draw(st.booleans()):
        payload = bytearray(data.draw(st.binary(max_size=80)))
    for _ in range(data.draw(st.integers(0, 4)) if payload else 0):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = codec(text).decompress(bytes(payload), shared())
    except RemoteProtocolError:
        return
    assert found.dense().shape == (P,)
    assert (np.abs(found.values) <= 1.02 * MAX_MAGNITUDE).all()


@pytest.mark.parametrize("text", CHAINS)
@pytest.mark.parametrize("change", [-1, 1])
def test_no_other_length_is_taken(text: str, change: int) -> None:
    payload = codec(text).compress(delta(layout()), shared(), generator()).payload
    with pytest.raises(RemoteProtocolError):
        codec(text).decompress((payload + b"\0")[: len(payload) + change], shared())


@pytest.mark.parametrize("parameters", [1, 2, 255, 257, 10_000])
@pytest.mark.parametrize("text", [*CHAINS, "topk=1", "topk=1|golomb"])
def test_every_length_goes_and_none_is_larger_than_the_aggregator_takes(
    text: str, parameters: int
) -> None:
    found = Shared(Layout.plain(parameters), 3)
    vector = generator(parameters).normal(size=parameters).astype(np.float32)
    payload = codec(text).compress(vector, found, generator()).payload
    assert 1 <= len(payload) <= max_payload_bytes(parameters)
    assert codec(text).decompress(payload, found).dense().shape == (parameters,)


def test_sparse_updates_are_a_fraction_of_float32() -> None:
    """1 % of 100,000 values as signs: less than a 280th, with positions and ranges."""
    found = Shared(Layout.plain(100_000))
    vector = generator(1).normal(size=100_000).astype(np.float32)
    payload = codec("residual|topk=0.01|sign|golomb").compress(vector, found, generator()).payload
    assert 4 * 100_000 / len(payload) > 280
