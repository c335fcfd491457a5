"""Steps from one model version to the next."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import wire
from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import ModelDelta
from broker.protocol.model_blob import pack_model, unpack_model
from broker.protocol.model_delta import pack_delta, step_model
from models.normalisation import Normalisation

ARTIFACT = b"a" * 32
KNOWN = Normalisation((0.1, -2.0), (1.0, 1e-3))
PARAMETERS = 300
LAYOUT = Layout(PARAMETERS, np.arange(290, 300), np.arange(290), np.array([0, 100]))
OLD = np.linspace(-1, 1, PARAMETERS, dtype=np.float32)
BASE = pack_model(7, ARTIFACT, KNOWN, OLD)
CODECS = ("none", "q8", "q4|golomb", "topk=0.1|sign|golomb", "randk=0.2|q4", "rotate|q4")


def packed(text: str, change: np.ndarray, version: int = 8, base: bytes = BASE) -> bytes:
    generator = np.random.default_rng(1)
    compressed = codec(text).compress(change, Shared(LAYOUT, version), generator)
    return pack_delta(base, text, compressed.payload)


def change(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, PARAMETERS).astype(np.float32)


@pytest.mark.parametrize("text", CODECS)
def test_a_step_gives_the_blob_of_base_and_decoded_change(text: str) -> None:
    delta = packed(text, change())
    decoded = codec(text).decompress(wire.decode(delta, ModelDelta).payload, Shared(LAYOUT, 8))
    expected = pack_model(8, ARTIFACT, KNOWN, OLD + decoded.dense())
    made = step_model(BASE, delta, LAYOUT)
    assert hashlib.sha256(made).digest() == hashlib.sha256(expected).digest()
    assert made != BASE


def test_steps_follow_one_another() -> None:
    first = packed("none", change(1))
    middle = step_model(BASE, first, LAYOUT)
    last = step_model(middle, packed("none", change(2), 9, middle), LAYOUT)
    version, normalisation, parameters = unpack_model(last, ARTIFACT, PARAMETERS)
    assert (version, normalisation) == (9, KNOWN)
    assert parameters.tobytes() == (OLD + change(1) + change(2)).tobytes()
    with pytest.raises(RemoteProtocolError, match="another model"):
        step_model(last, first, LAYOUT)


def test_a_codec_that_is_not_known_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no stage"):
        step_model(BASE, pack_delta(BASE, "zip", b"x"), LAYOUT)


def test_a_payload_that_the_codec_does_not_write_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        step_model(BASE, pack_delta(BASE, "q8", b"x"), LAYOUT)


def test_a_result_that_is_not_finite_is_refused() -> None:
    base = pack_model(7, ARTIFACT, KNOWN, np.full(PARAMETERS, np.inf, np.float32))
    with pytest.raises(RemoteProtocolError, match="not finite"):
        step_model(base, packed("none", change(), base=base), LAYOUT)


def test_a_model_of_another_length_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="300, expected 299"):
        step_model(BASE, packed("none", change()), Layout.plain(PARAMETERS - 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(delta: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        step_model(BASE, delta, LAYOUT)


@given(st.sampled_from(CODECS), st.binary(max_size=1300))
def test_any_payload_gives_a_model_or_is_refused(text: str, payload: bytes) -> None:
    try:
        made = step_model(BASE, pack_delta(BASE, text, payload or b"0"), LAYOUT)
    except RemoteProtocolError:
        return
    assert np.isfinite(unpack_model(made, ARTIFACT, PARAMETERS)[2]).all()
