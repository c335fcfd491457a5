"""A model version as a blob."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import wire
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import ModelBlob
from broker.protocol.model_blob import pack_model, unpack_model
from models.normalisation import Normalisation

ARTIFACT = b"a" * 32
NORMALISATION = Normalisation((0.5, -2.0), (1.0, 1e-3))
PARAMETERS = np.array([1.5, -0.0, 1e-40, 3e38], np.float32)
PACKED = pack_model(7, ARTIFACT, NORMALISATION, PARAMETERS)


def test_a_version_comes_back_bit_for_bit() -> None:
    version, normalisation, parameters = unpack_model(PACKED, ARTIFACT, 4)
    assert (version, normalisation) == (7, NORMALISATION)
    assert parameters.tobytes() == PARAMETERS.tobytes()
    assert parameters.flags.writeable


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        unpack_model(payload, ARTIFACT, 4)


def test_another_artifact_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="another training artifact"):
        unpack_model(PACKED, b"b" * 32, 4)


def test_another_length_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="4, expected 5"):
        unpack_model(PACKED, ARTIFACT, 5)


def test_a_value_that_is_not_finite_is_refused() -> None:
    packed = pack_model(7, ARTIFACT, NORMALISATION, np.array([1, np.nan], np.float32))
    with pytest.raises(RemoteProtocolError, match="not finite"):
        unpack_model(packed, ARTIFACT, 2)


@pytest.mark.parametrize(
    "change", [{"std": (0.0, 1.0)}, {"mean": (), "std": ()}, {"parameters": b""}]
)
def test_a_model_that_no_gateway_could_use_is_refused(change: dict[str, object]) -> None:
    blob = wire.decode(PACKED, ModelBlob)
    try:
        payload = wire.encode(replace(blob, **change))  # type: ignore[arg-type]
    except LocalProtocolError:
        return
    with pytest.raises(RemoteProtocolError):
        unpack_model(payload, ARTIFACT, 4)


@pytest.mark.parametrize("change", [{"mean": (1.0,)}, {"parameters": b"12345"}])
def test_fields_that_disagree_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"means|float32"):
        replace(wire.decode(PACKED, ModelBlob), **change)  # type: ignore[arg-type]
