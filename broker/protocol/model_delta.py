"""A step from one model version to the next, as a blob. Pure.

Both ends take it by :func:`step_model`. What that gives *is* the next version: the aggregator
publishes it, so that who fetched the step and who fetched the whole hold the same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from broker.protocol import wire
from broker.protocol.compression import Layout, Shared, Vector, codec
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import ModelBlob, ModelDelta


def pack_delta(base: bytes, codec_text: str, payload: bytes) -> bytes:
    """Write a step from the model's blob ``base``.

    Raises:
        LocalProtocolError: the payload is empty or too large.
    """
    return wire.encode(ModelDelta(hashlib.sha256(base).digest(), codec_text, payload))


def step_model(base: bytes, delta: bytes, layout: Layout) -> bytes:
    """Apply a step to the model's blob ``base``; returns the blob of the version after it.

    Parameters are added in float32; the normalisation stays.

    Raises:
        RemoteProtocolError: one of the two is malformed, the step begins with another blob, its
            codec is not known, or the result is not finite.
    """
    step = wire.decode(delta, ModelDelta)
    if step.base != hashlib.sha256(base).digest():
        raise RemoteProtocolError("model-delta", "base", "begins with another model")
    before = wire.decode(base, ModelBlob)
    parameters = parameters_of(before)
    if parameters.size != layout.parameters:
        raise RemoteProtocolError(
            "model-blob", "parameters", f"{parameters.size}, expected {layout.parameters}"
        )
    try:
        decoder = codec(step.codec)
    except LocalProtocolError as error:
        raise RemoteProtocolError("model-delta", "codec", str(error)) from error
    change = decoder.decompress(step.payload, Shared(layout, before.version + 1))
    with np.errstate(over="ignore"):
        after = parameters + change.dense()
    if not np.isfinite(after).all():
        raise RemoteProtocolError("model-delta", "payload", "gives a value that is not finite")
    return next_blob(before, after)


def next_blob(before: ModelBlob, parameters: Vector) -> bytes:
    """Write the version after ``before`` with other parameters, float32[P]."""
    written = parameters.astype("<f4").tobytes()
    return wire.encode(replace(before, version=before.version + 1, parameters=written))


def parameters_of(blob: ModelBlob) -> Vector:
    """Return float32[P]."""
    return np.frombuffer(blob.parameters, "<f4").astype(np.float32)
