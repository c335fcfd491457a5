"""Blobs cut into content-addressed chunks, in any order, resumed from what is missing. Sans-I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import MAX_CHUNK_BYTES, MAX_CHUNKS, BlobReference, Chunk


def refer(blob: bytes, chunk_bytes: int) -> BlobReference:
    """Name a blob by its SHA-256 and say how it is cut.

    Raises:
        LocalProtocolError: the blob is empty, or the chunk size is not within the protocol's, or
            there would be more chunks than it has room for.
    """
    sane = 1 <= chunk_bytes <= MAX_CHUNK_BYTES
    if not (sane and 1 <= len(blob) <= chunk_bytes * MAX_CHUNKS):
        raise LocalProtocolError(f"cannot cut {len(blob)} bytes into chunks of {chunk_bytes}")
    return BlobReference(hashlib.sha256(blob).digest(), len(blob), chunk_bytes)


def cut(blob: bytes, reference: BlobReference, indexes: Iterable[int]) -> Iterator[Chunk]:
    """Yield the chunks of ``blob`` that ``indexes`` names; indexes outside it are passed over."""
    for index in indexes:
        data = blob[index * reference.chunk_bytes : (index + 1) * reference.chunk_bytes]
        if data:
            yield Chunk(reference.digest, index, data)


def bitmap_of(indexes: Iterable[int], chunks: int) -> bytes:
    """Set bit i for each index i, least significant first."""
    bits = bytearray(-(-chunks // 8))
    for index in indexes:
        bits[index // 8] |= 1 << (index % 8)
    return bytes(bits)


def indexes_of(bitmap: bytes, chunks: int) -> list[int]:
    """Read a bitmap back.

    Raises:
        RemoteProtocolError: its length does not fit ``chunks``.
    """
    if len(bitmap) != -(-chunks // 8):
        raise RemoteProtocolError("want", "missing", f"{len(bitmap)} bytes for {chunks} chunks")
    return [i for i in range(chunks) if bitmap[i // 8] >> (i % 8) & 1]


class Assembly:
    """A blob that is coming in; holds what came, knows what is missing, checks the digest.

    Memory is bounded by the reference's size, which the caller has checked against its own cap.
    """

    def __init__(self, reference: BlobReference) -> None:
        self.reference = reference
        self._parts: dict[int, bytes] = {}

    @property
    def missing(self) -> list[int]:
        """Indexes of the chunks that have not come."""
        return [i for i in range(self.reference.chunks) if i not in self._parts]

    @property
    def complete(self) -> bool:
        """Whether every chunk has come."""
        return len(self._parts) == self.reference.chunks

    def add(self, chunk: Chunk) -> bool:
        """Take a chunk; returns whether it was new.

        Raises:
            RemoteProtocolError: it is not a piece of this blob.
        """
        require_piece(self.reference, chunk)
        new = chunk.index not in self._parts
        self._parts[chunk.index] = chunk.data
        return new

    def blob(self) -> bytes:
        """Put the blob together.

        Raises:
            RemoteProtocolError: the digest is not the promised one; what came is forgotten.
        """
        return join(self.reference, self._take())

    def _take(self) -> list[bytes]:
        parts = [self._parts[i] for i in range(self.reference.chunks)]
        self._parts = {}
        return parts


def require_piece(reference: BlobReference, chunk: Chunk) -> None:
    """Check that a chunk is a piece of the referenced blob, by digest, index and length.

    Raises:
        RemoteProtocolError: it is not.
    """
    if chunk.digest != reference.digest:
        raise RemoteProtocolError("chunk", "digest", "of another blob")
    if chunk.index >= reference.chunks:
        raise RemoteProtocolError("chunk", "index", f"{chunk.index} of {reference.chunks}")
    last = chunk.index == reference.chunks - 1
    whole = reference.chunk_bytes
    expected = reference.size - chunk.index * whole if last else whole
    if len(chunk.data) != expected:
        raise RemoteProtocolError("chunk", "data", f"{len(chunk.data)} bytes, expected {expected}")


def join(reference: BlobReference, parts: list[bytes]) -> bytes:
    """Join all chunks and check the digest.

    Raises:
        RemoteProtocolError: the digest is not the promised one.
    """
    blob = b"".join(parts)
    if hashlib.sha256(blob).digest() != reference.digest:
        raise RemoteProtocolError("blob", "digest", "the chunks do not add up to the promised blob")
    return blob
