"""Codecs of an update's payload: a delta <-> bytes. A plan names one by its text.

A payload has the ranges of activations first (8 bit, one scale), then the positions, if they are
not all or the round's, then the values of the body. It carries no lengths that the layout and
the chain tell already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression.bits import pack, packed_bytes, unpack
from broker.protocol.compression.chain import Chain, parse_chain
from broker.protocol.compression.delta import Delta
from broker.protocol.compression.golomb import read_positions, write_positions
from broker.protocol.compression.layout import Layout, Shared
from broker.protocol.compression.levels import read_values, write_values
from broker.protocol.compression.magnitude import Vector, require_received, require_sendable
from broker.protocol.compression.quantization import Blocks, Grid
from broker.protocol.compression.rotation import rotate, rotate_back, rotated_length
from broker.protocol.compression.sections import Reader, refused
from broker.protocol.compression.shared_randomness import random_coordinates

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """An update's bytes, and what they leave out.

    Attributes:
        payload: what is sent.
        left: float32[P], what the residual grows by; ``None`` where the chain has none.
    """

    payload: bytes
    left: Vector | None


class Codec:
    """One way to write a delta."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    def compress(
        self,
        delta: Vector,
        shared: Shared,
        generator: np.random.Generator,
        residual: Vector | None = None,
    ) -> Compressed:
        """Write a float32[P] delta.

        Args:
            delta: trained less base.
            shared: what the reader knows too.
            generator: decides what is stochastic and this sender's alone.
            residual: float32[P], what earlier updates left out; for a chain that has one.

        Raises:
            LocalProtocolError: a value is not finite, or beyond ``MAX_MAGNITUDE``.
        """
        clipped = self._clipped(require_sendable(delta), shared.layout)
        feedback = self.chain.residual
        whole = clipped if residual is None or not feedback else clipped + residual
        payload = self._write(require_sendable(whole), shared, generator)
        if not feedback:
            return Compressed(payload, None)
        left = clipped - self.decompress(payload, shared).dense()
        return Compressed(payload, left if self.chain.keep == 1 else self._kept(left, residual))

    def _kept(self, left: Vector, residual: Vector | None) -> Vector:
        """What the residual grows by when only a share of what is owed then stays: float32[P]."""
        keep = np.float32(self.chain.keep)
        return keep * left if residual is None else keep * (residual + left) - residual

    def decompress(self, payload: bytes, shared: Shared) -> Delta:
        """Read a delta back.

        Raises:
            RemoteProtocolError: the payload is not what :meth:`compress` writes for this layout,
                or a value is not finite, or beyond ``MAX_MAGNITUDE``.
        """
        reader = Reader(payload)
        if self._raw:
            values = np.frombuffer(reader.take(4 * shared.layout.parameters), "<f4")
            reader.end()
            values = values.astype(np.float32, copy=False)
            return Delta(shared.layout.parameters, require_received(values))
        layout = shared.layout
        ranges = read_values(reader, _one_block(layout.ranges.size), Grid.Q8, golomb=False)
        picks = self._read_picks(reader, shared)
        values = self._read_body(reader, shared, picks)
        reader.end()
        return _joined(layout, require_received(ranges), picks, require_received(values))

    @property
    def _raw(self) -> bool:
        return replace(self.chain, clip=None, residual=False, keep=1.0) == Chain()

    def _clipped(self, delta: Vector, layout: Layout) -> Vector:
        if self.chain.clip is None:
            return delta
        norm = float(np.linalg.norm(delta[layout.body].astype(np.float64)))
        if norm <= self.chain.clip:
            return delta
        clipped = delta.copy()
        clipped[layout.body] *= np.float32(self.chain.clip / norm)
        return clipped

    def _write(self, vector: Vector, shared: Shared, generator: np.random.Generator) -> bytes:
        if self._raw:
            return vector.astype("<f4").tobytes()
        layout, chain = shared.layout, self.chain
        ranges, body = vector[layout.ranges], vector[layout.body]
        picks = self._picks(body, shared)
        values = body if picks is None else body[picks]
        if chain.random is not None and not chain.residual:
            values = values * np.float32(body.size / max(values.size, 1))
        if chain.rotate:
            values = rotate(values, chain.block, shared.seed)
        head = write_values(ranges, _one_block(ranges.size), Grid.Q8, False, generator)
        positions = self._write_picks(picks, body.size)
        blocks = self._blocks(layout, picks)
        return head + positions + write_values(values, blocks, chain.grid, chain.golomb, generator)

    def _read_body(self, reader: Reader, shared: Shared, picks: Indices | None) -> Vector:
        chain, layout = self.chain, shared.layout
        values = read_values(reader, self._blocks(layout, picks), chain.grid, chain.golomb)
        if chain.rotate:
            require_received(values)
            length = layout.body.size if picks is None else picks.size
            values = rotate_back(values, length, chain.block, shared.seed)
        return values

    def _picks(self, body: Vector, shared: Shared) -> Indices | None:
        """Return which values of the body are sent: int64[k] ascending, ``None`` for all."""
        if self.chain.top is None:
            return self._shared_picks(shared)
        count = _share(self.chain.top, body.size)
        largest = np.argpartition(np.abs(body), body.size - count)[body.size - count :]
        return np.sort(largest).astype(np.int64)

    def _shared_picks(self, shared: Shared) -> Indices | None:
        size = shared.layout.body.size
        if self.chain.random is None:
            return None
        return random_coordinates(shared.seed, size, _share(self.chain.random, size))

    def _write_picks(self, picks: Indices | None, size: int) -> bytes:
        if self.chain.top is None or picks is None:
            return b""
        return write_positions(picks) if self.chain.golomb else pack(picks, _index_bits(size))

    def _read_picks(self, reader: Reader, shared: Shared) -> Indices | None:
        if self.chain.top is None:
            return self._shared_picks(shared)
        size = shared.layout.body.size
        count = _share(self.chain.top, size)
        if self.chain.golomb:
            return read_positions(reader, count, size)
        width = _index_bits(size)
        picks = unpack(reader.take(packed_bytes(count, width)), count, width)
        if (np.diff(picks) <= 0).any() or (picks[-1:] >= size).any():
            raise refused("positions that are not ascending, or beyond the vector")
        return picks

    def _blocks(self, layout: Layout, picks: Indices | None) -> Blocks:
        """Scales follow the layers; but what is rotated is mixed, and what top-k picks is alike."""
        block = self.chain.block
        length = layout.body.size if picks is None else picks.size
        if self.chain.rotate:
            length = rotated_length(length, block)
        if self.chain.rotate or self.chain.top is not None or layout.edges.size == 1:
            return _even_blocks(length, block)
        if picks is None:
            return _layer_blocks(layout, block)
        return Blocks.cut(np.searchsorted(picks, layout.edges), length, block)


def codec(text: str) -> Codec:
    """Return the codec that a plan names.

    Raises:
        LocalProtocolError: there is none of that name; see
            :mod:`broker.protocol.compression.chain`.
    """
    return _codec(text)


def max_payload_bytes(parameters: int) -> int:
    """No codec writes more than this for float32[P]; the aggregator refuses larger offers."""
    # A top-k of everything as float32 has positions too: the caller pays for a silly chain.
    return 4 * parameters + max(4096, 4 * parameters)


@lru_cache(maxsize=64)
def _even_blocks(length: int, block: int) -> Blocks:
    return Blocks.cut(np.zeros(1, np.int64), length, block)


@lru_cache(maxsize=16)
def _layer_blocks(layout: Layout, block: int) -> Blocks:
    return Blocks.cut(layout.edges, layout.body.size, block)


@lru_cache(maxsize=16)
def _codec(text: str) -> Codec:
    return Codec(parse_chain(text))


def _joined(layout: Layout, ranges: Vector, picks: Indices | None, body: Vector) -> Delta:
    if not ranges.size:
        return Delta(layout.parameters, body, picks)
    if picks is None and layout.ranges_last:
        return Delta(layout.parameters, np.concatenate((body, ranges)))
    if picks is None:
        values = np.empty(layout.parameters, np.float32)
        values[layout.body] = body
        values[layout.ranges] = ranges
        return Delta(layout.parameters, values)
    places = picks if layout.ranges_last else layout.body[picks]
    indices = np.concatenate((layout.ranges, places))
    return Delta(layout.parameters, np.concatenate((ranges, body)), indices)


def _one_block(length: int) -> Blocks:
    return Blocks(np.zeros(min(length, 1), np.int64), length)


def _share(share: float, size: int) -> int:
    return min(max(int(share * size + 0.5), 1), size)


def _index_bits(size: int) -> int:
    return max(size - 1, 1).bit_length()
