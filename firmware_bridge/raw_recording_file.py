"""Recordings of raw frames as files: JSON lines, gzipped where the name ends with .gz.

The file is made to be cut off: what was written is flushed as a whole block every second, so that a
power cut costs the last second. A reader takes such a file up to its last whole line and says so.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from firmware_bridge.errors import RecordingError
from firmware_bridge.raw_recording import (
    MAX_LINE_BYTES,
    RawFrame,
    RecordingHeader,
    frame_line,
    header_line,
    parse_frame,
    parse_header,
)

_logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 16
_GZIP = 31  # zlib's number for a gzip wrapper with the largest window


class RecordingWriter:
    """Writes one recording; a context manager.

    Args:
        path: of the file, which must not exist yet; gzipped when it ends with ``.gz``.
        header: of the recording.

    Raises:
        RecordingError: the file exists or cannot be made. Every method raises it where the file
            cannot be written.
    """

    def __init__(self, path: Path, header: RecordingHeader) -> None:
        self.path = path
        self._gzip = zlib.compressobj(6, wbits=_GZIP) if path.suffix == ".gz" else None
        self.frames = 0
        try:
            self._file: BinaryIO = path.open("xb")
        except OSError as error:
            raise RecordingError(path, error.strerror or str(error)) from error
        self._write(header_line(header))
        self.flush()

    def add(self, frame: RawFrame) -> None:
        """Append a frame."""
        self._write(frame_line(frame))
        self.frames += 1

    def flush(self) -> None:
        """Bring what was added to the disk, so that it can be read whatever happens next."""
        try:
            if self._gzip is not None:
                self._file.write(self._gzip.flush(zlib.Z_SYNC_FLUSH))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RecordingError(self.path, error.strerror or str(error)) from error

    def close(self) -> None:
        """End the file."""
        if self._file.closed:
            return
        try:
            if self._gzip is not None:
                self._file.write(self._gzip.flush(zlib.Z_FINISH))
            self._file.close()
        except OSError as error:
            raise RecordingError(self.path, error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, line: str) -> None:
        data = line.encode()
        try:
            self._file.write(data if self._gzip is None else self._gzip.compress(data))
        except OSError as error:
            raise RecordingError(self.path, error.strerror or str(error)) from error


def read_header(path: Path) -> RecordingHeader:
    """The header of a recording.

    Raises:
        RecordingError: the file cannot be read or is no recording.
    """
    line = next(_lines(path), None)
    if line is None:
        raise RecordingError(path, "is empty")
    try:
        return parse_header(line)
    except ValueError as error:
        raise RecordingError(path, f"line 1 {error}") from error


def read_frames(path: Path) -> Iterator[RawFrame]:
    """The frames of a recording, one after the other: it may be longer than memory.

    A file that was cut off ends with its last whole line, and a warning.

    Raises:
        RecordingError: the file cannot be read, or a line before its end is none; names the line.
    """
    read_header(path)
    for number, line in enumerate(_lines(path), start=1):
        if number == 1:
            continue
        try:
            yield parse_frame(line)
        except ValueError as error:
            raise RecordingError(path, f"line {number} {error}") from error


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines without their line feeds; those after a damage are gone, with a warning."""
    pending = b""
    number = 0
    blocks = _plain_blocks(path)
    for block in blocks:
        *lines, pending = (pending + block).split(b"\n")
        for line in lines:
            number += 1
            yield line
        if len(pending) > MAX_LINE_BYTES:
            raise RecordingError(path, f"line {number + 1} is longer than {MAX_LINE_BYTES} bytes")
    if pending or blocks.cut:
        _logger.warning("%s was cut off: what came after line %d is lost", path, number)


class _Blocks:
    """Decompressed blocks of a file, and whether its end is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                yield from self._unzipped(file) if self.path.suffix == ".gz" else _raw(file)
        except OSError as error:
            raise RecordingError(self.path, error.strerror or str(error)) from error

    def _unzipped(self, file: BinaryIO) -> Iterator[bytes]:
        unzip = zlib.decompressobj(_GZIP)
        begun = False
        for block in _raw(file):
            data = block
            while data:
                begun = True
                try:
                    # Bounded: a few bytes of a crafted file may stand for gigabytes.
                    plain = unzip.decompress(data, _BLOCK_BYTES)
                except zlib.error as error:
                    if not self._any_plain:
                        raise RecordingError(self.path, f"is not gzipped: {error}") from error
                    self.cut = True
                    return
                if plain:
                    self._any_plain = True
                    yield plain
                data = unzip.unconsumed_tail
                if unzip.eof:
                    # gzip files may be joined end to end.
                    data, unzip, begun = unzip.unused_data, zlib.decompressobj(_GZIP), False
        self.cut = begun

    _any_plain = False


def _plain_blocks(path: Path) -> _Blocks:
    return _Blocks(path)


def _raw(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
