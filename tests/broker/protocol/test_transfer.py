"""Blobs in pieces: any order, any loss, nothing but the promised bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import MAX_CHUNK_BYTES, Chunk
from broker.protocol.transfer import Assembly, bitmap_of, cut, indexes_of, join, refer

BLOB = bytes(range(256)) * 4 + b"end"
REFERENCE = refer(BLOB, 256)
CHUNKS = list(cut(BLOB, REFERENCE, range(REFERENCE.chunks)))


@given(st.binary(min_size=1, max_size=2000), st.integers(1, 300), st.randoms())
def test_a_blob_comes_back_from_its_chunks_in_any_order(
    blob: bytes, size: int, rnd: object
) -> None:
    reference = refer(blob, size)
    chunks = list(cut(blob, reference, range(reference.chunks)))
    rnd.shuffle(chunks)  # type: ignore[attr-defined]
    assembly = Assembly(reference)
    for chunk in chunks:
        assert not assembly.complete
        assert chunk.index in assembly.missing
        assert assembly.add(chunk)
    assert assembly.complete
    assert assembly.missing == []
    assert assembly.blob() == blob


@given(st.integers(1, 200), st.data())
def test_a_bitmap_comes_back(chunks: int, data: st.DataObject) -> None:
    indexes = data.draw(st.sets(st.integers(0, chunks - 1)))
    assert indexes_of(bitmap_of(indexes, chunks), chunks) == sorted(indexes)


def test_a_bitmap_begins_with_the_least_significant_bit() -> None:
    assert bitmap_of([0, 9], 10) == b"\x01\x02"


@pytest.mark.parametrize("length", [0, 1, 3])
def test_a_bitmap_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(RemoteProtocolError, match="for 9 chunks"):
        indexes_of(bytes(length), 9)


def test_the_last_chunk_may_be_short() -> None:
    assert [len(chunk.data) for chunk in CHUNKS] == [256, 256, 256, 256, 3]
    even = refer(b"x" * 512, 256)
    assert even.chunks == 2


def test_indexes_outside_a_blob_are_passed_over() -> None:
    assert [chunk.index for chunk in cut(BLOB, REFERENCE, [4, 5, 99])] == [4]


@pytest.mark.parametrize(
    ("blob", "size"), [(b"", 1), (b"x", 0), (b"x", MAX_CHUNK_BYTES + 1), (bytes(65_537), 1)]
)
def test_a_blob_that_cannot_be_cut_is_our_own_error(blob: bytes, size: int) -> None:
    with pytest.raises(LocalProtocolError, match="cannot cut"):
        refer(blob, size)


def test_a_chunk_that_comes_twice_is_not_new() -> None:
    assembly = Assembly(REFERENCE)
    assert assembly.add(CHUNKS[2])
    assert not assembly.add(CHUNKS[2])
    assert assembly.missing == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("chunk", "field"),
    [
        (replace(CHUNKS[0], digest=b"o" * 32), "digest"),
        (replace(CHUNKS[0], index=5), "index"),
        (replace(CHUNKS[0], data=b"x" * 255), "data"),
        (replace(CHUNKS[4], data=b"x" * 4), "data"),
        (replace(CHUNKS[4], index=3), "data"),
    ],
)
def test_what_is_no_piece_of_the_blob_is_refused(chunk: Chunk, field: str) -> None:
    assembly = Assembly(REFERENCE)
    with pytest.raises(RemoteProtocolError) as caught:
        assembly.add(chunk)
    assert caught.value.field == field
    assert assembly.missing == [0, 1, 2, 3, 4]


def test_another_content_is_refused_and_forgotten() -> None:
    assembly = Assembly(REFERENCE)
    for chunk in (replace(CHUNKS[0], data=b"!" * 256), *CHUNKS[1:]):
        assembly.add(chunk)
    with pytest.raises(RemoteProtocolError, match="do not add up"):
        assembly.blob()
    assert not assembly.complete
    for chunk in CHUNKS:
        assembly.add(chunk)
    assert assembly.blob() == BLOB


def test_joining_checks_the_digest() -> None:
    assert join(REFERENCE, [chunk.data for chunk in CHUNKS]) == BLOB
    with pytest.raises(RemoteProtocolError):
        join(REFERENCE, [chunk.data for chunk in reversed(CHUNKS)])
