"""Codecs of an update: exact where they say so, unbiased and bounded where not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from broker.protocol.compression import (
    MAX_MAGNITUDE,
    Codec,
    Vector,
    codec,
    codec_names,
    max_payload_bytes,
)
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError

VECTORS = hnp.arrays(
    np.float32,
    st.integers(1, 700),
    elements=st.floats(-(2.0**20), 2.0**20, width=32),
)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(params=codec_names())
def any_codec(request: pytest.FixtureRequest) -> Codec:
    return codec(request.param)


@given(VECTORS)
def test_none_is_exact(vector: Vector) -> None:
    payload = codec("none").compress(vector, generator())
    assert len(payload) == 4 * vector.size
    assert np.array_equal(codec("none").decompress(payload, vector.size), vector)


@given(VECTORS)
def test_q8_errs_by_less_than_a_step(vector: Vector) -> None:
    payload = codec("q8").compress(vector, generator())
    found = codec("q8").decompress(payload, vector.size)
    blocks = -(-vector.size // 256)
    assert len(payload) == vector.size + 4 * blocks
    step = np.repeat(np.frombuffer(payload, "<f4", blocks), 256)[: vector.size]
    assert found.dtype == np.float32
    # One step, and what float32 rounds in 127 of them; the smallest scales are denormal.
    assert (np.abs(found - vector) <= step * 1.0001 + 1e-38).all()


def test_q8_is_unbiased() -> None:
    vector = generator(1).normal(0, 3, 300).astype(np.float32)
    draws, q8 = generator(2), codec("q8")
    runs = 4000
    found = [q8.decompress(q8.compress(vector, draws), 300) for _ in range(runs)]
    errors = np.mean(found, axis=0, dtype=np.float64) - vector
    scale = np.repeat([np.abs(vector[:256]).max(), np.abs(vector[256:]).max()], [256, 44]) / 127
    # A rounding error has a deviation of half a step at most; its mean, 1/sqrt(runs) of that.
    assert (np.abs(errors) < 5 * 0.5 * scale / np.sqrt(runs)).all()
    assert np.std(found, axis=0).max() > 0.3 * scale.min()


def test_q8_keeps_zeros_and_the_largest_value() -> None:
    vector = np.zeros(600, np.float32)
    vector[300] = -5.0
    found = codec("q8").decompress(codec("q8").compress(vector, generator()), 600)
    assert found[300] == pytest.approx(-5.0, rel=1e-6)
    assert np.count_nonzero(found) == 1


def test_q8_takes_values_whose_step_underflows() -> None:
    vector = np.full(4, np.float32(1e-45))
    assert np.array_equal(
        codec("q8").decompress(codec("q8").compress(vector, generator()), 4), [0] * 4
    )


def test_what_is_stochastic_is_the_generators(any_codec: Codec) -> None:
    vector = generator(3).normal(size=1000).astype(np.float32)
    assert any_codec.compress(vector, generator(4)) == any_codec.compress(vector, generator(4))


@given(st.binary(max_size=80), st.integers(1, 40))
@pytest.mark.parametrize("name", codec_names())
def test_any_bytes_decode_or_are_refused(name: str, payload: bytes, parameters: int) -> None:
    try:
        vector = codec(name).decompress(payload, parameters)
    except RemoteProtocolError:
        return
    assert vector.shape == (parameters,)
    assert (np.abs(vector) <= 1.02 * MAX_MAGNITUDE).all()


@pytest.mark.parametrize("offset", [-1, 1, 4])
def test_no_other_length_is_taken(any_codec: Codec, offset: int) -> None:
    payload = any_codec.compress(np.ones(300, np.float32), generator())
    with pytest.raises(RemoteProtocolError, match="expected"):
        any_codec.decompress((payload + bytes(4))[: len(payload) + offset], 300)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e30, -3e38])
def test_what_is_not_finite_or_too_large_is_refused_both_ways(
    any_codec: Codec, value: float
) -> None:
    vector = np.array([1, value], np.float32)
    with pytest.raises(LocalProtocolError):
        any_codec.compress(vector, generator())
    with pytest.raises(RemoteProtocolError):
        codec("none").decompress(vector.tobytes(), 2)
    with pytest.raises(RemoteProtocolError):
        codec("q8").decompress(np.array([value / 127], "<f4").tobytes() + b"\x7f\x7f", 2)


def test_the_largest_value_goes_through(any_codec: Codec) -> None:
    vector = np.full(2, MAX_MAGNITUDE, np.float32) * np.float32(0.999)
    found = any_codec.decompress(any_codec.compress(vector, generator()), 2)
    assert np.allclose(found, vector, rtol=1e-5)


def test_a_negative_scale_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="scale"):
        codec("q8").decompress(np.array([-1.0], "<f4").tobytes() + b"\x01", 1)


@pytest.mark.parametrize("parameters", [1, 255, 256, 257, 10_000])
def test_no_codec_writes_more_than_the_aggregator_takes(any_codec: Codec, parameters: int) -> None:
    payload = any_codec.compress(np.ones(parameters, np.float32), generator())
    assert len(payload) <= max_payload_bytes(parameters)


def test_an_unknown_codec_names_those_that_there_are() -> None:
    with pytest.raises(LocalProtocolError, match="'zip': choose one of none, q8"):
        codec("zip")
