"""Codecs of an update's payload: float32[P] <-> bytes. A plan names one by its text.

``none`` is float32, exact. ``q8`` is stochastic uniform quantization to 8 bit with a float32
scale per block of 256 (QSGD, Alistarh et al. 2017, with the maximum norm): unbiased, and 3.9
times smaller. Every decoder knows the number of parameters and takes no other length.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError

DEFAULT_CODEC = "q8"
# No delta comes near. One that does would make the next version overflow, for everyone.
MAX_MAGNITUDE = 1e30

Vector = NDArray[np.float32]


class Codec(Protocol):
    """One way to write a float32[P] vector."""

    def compress(self, vector: Vector, generator: np.random.Generator) -> bytes:
        """Write a float32[P] vector; ``generator`` decides what is stochastic.

        Raises:
            LocalProtocolError: a value is not finite, or beyond ``MAX_MAGNITUDE``.
        """

    def decompress(self, payload: bytes, parameters: int) -> Vector:
        """Read float32[P] back.

        Raises:
            RemoteProtocolError: wrong length, or a value that is not finite, or beyond
                ``MAX_MAGNITUDE``.
        """


def codec(name: str) -> Codec:
    """Return the codec that a plan names.

    Raises:
        LocalProtocolError: there is none of that name.
    """
    try:
        return _CODECS[name]
    except KeyError:
        raise LocalProtocolError(
            f"codec {name!r}: choose one of {', '.join(codec_names())}"
        ) from None


def codec_names() -> tuple[str, ...]:
    """Names that a plan may use."""
    return tuple(_CODECS)


class Float32:
    """Codec ``none``: little-endian float32."""

    def compress(self, vector: Vector, generator: np.random.Generator) -> bytes:
        del generator
        return bytes(_finite(vector).astype("<f4").tobytes())

    def decompress(self, payload: bytes, parameters: int) -> Vector:
        _require_length(payload, 4 * parameters)
        vector = np.frombuffer(payload, "<f4").astype(np.float32)
        if not _sane(vector):
            raise RemoteProtocolError("update", "payload", "a value is not finite, or too large")
        return vector


class StochasticInt8:
    """Codec ``q8``: scales float32[ceil(P/256)], then int8[P]."""

    block = 256

    def compress(self, vector: Vector, generator: np.random.Generator) -> bytes:
        blocks = self._blocks(_finite(vector))
        scales = (np.abs(blocks).max(axis=1) / np.float32(127)).astype("<f4")
        # A block of denormals may round its scale to 0; such a block is all zeros on the wire.
        divisor = np.where(scales > 0, scales, np.float32(np.inf)).astype(np.float32)
        steps = blocks / divisor[:, None]
        noise = generator.random(steps.shape, dtype=np.float32)
        levels = np.clip(np.floor(steps + noise), -127, 127).astype(np.int8)
        return bytes(scales.tobytes() + levels.reshape(-1)[: vector.size].tobytes())

    def decompress(self, payload: bytes, parameters: int) -> Vector:
        count = -(-parameters // self.block)
        _require_length(payload, 4 * count + parameters)
        scales = np.frombuffer(payload, "<f4", count).astype(np.float32)
        if not ((scales >= 0) & (scales <= MAX_MAGNITUDE / 126)).all():
            raise RemoteProtocolError(
                "update", "payload", "a scale is not finite, negative or too large"
            )
        levels = np.frombuffer(payload, np.int8, parameters, 4 * count).astype(np.float32)
        blocks = self._blocks(levels) * scales[:, None]
        return blocks.reshape(-1)[:parameters].astype(np.float32, copy=False)

    def _blocks(self, vector: Vector) -> Vector:
        padding = -vector.size % self.block
        return np.pad(vector, (0, padding)).reshape(-1, self.block)


def max_payload_bytes(parameters: int) -> int:
    """No codec writes more than this for float32[P]; the aggregator refuses larger offers."""
    return 4 * parameters + 4096


_CODECS: dict[str, Codec] = {"none": Float32(), "q8": StochasticInt8()}


def _finite(vector: Vector) -> Vector:
    if not _sane(vector):
        raise LocalProtocolError("a delta that is not finite, or too large, must not be sent")
    return vector


def _sane(vector: Vector) -> bool:
    return bool((np.abs(vector) <= MAX_MAGNITUDE).all())


def _require_length(payload: bytes, expected: int) -> None:
    if len(payload) != expected:
        raise RemoteProtocolError("update", "payload", f"{len(payload)} bytes, expected {expected}")
