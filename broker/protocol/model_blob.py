"""A model version as a blob: parameters and the normalisation that they were trained under."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.protocol import wire
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import ModelBlob
from models.errors import ParameterError
from models.normalisation import Normalisation


def pack_model(
    version: int, artifact: bytes, normalisation: Normalisation, parameters: NDArray[np.float32]
) -> bytes:
    """Write one model version; ``parameters`` is float32[P]."""
    blob = ModelBlob(
        version,
        artifact,
        tuple(float(value) for value in normalisation.mean),
        tuple(float(value) for value in normalisation.std),
        parameters.astype("<f4").tobytes(),
    )
    return wire.encode(blob)


def unpack_model(
    payload: bytes, artifact: bytes, parameters: int
) -> tuple[int, Normalisation, NDArray[np.float32]]:
    """Read a model version back: (version, normalisation, float32[parameters]).

    Raises:
        RemoteProtocolError: malformed, of another artifact, of another length, or not finite.
    """
    blob = wire.decode(payload, ModelBlob)
    if blob.artifact != artifact:
        raise RemoteProtocolError("model-blob", "artifact", "of another training artifact")
    vector = np.frombuffer(blob.parameters, "<f4").astype(np.float32)
    if vector.size != parameters:
        raise RemoteProtocolError(
            "model-blob", "parameters", f"{vector.size}, expected {parameters}"
        )
    if not np.isfinite(vector).all():
        raise RemoteProtocolError("model-blob", "parameters", "a value is not finite")
    try:
        return blob.version, Normalisation(blob.mean, blob.std), vector
    except ParameterError as error:
        raise RemoteProtocolError("model-blob", "std", error.reason) from error
