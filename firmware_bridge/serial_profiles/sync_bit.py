"""Framing by bit 7: one byte of a frame is marked, and the rest are marked the other way."""

from __future__ import annotations


def match_marked_head(buffer: bytes | bytearray, at: int, size: int) -> int:
    """A frame whose first byte alone has bit 7 set; as ``SerialLink.match``."""
    if buffer[at] < 0x80:
        return -1
    end = min(at + size, len(buffer))
    if any(byte >= 0x80 for byte in buffer[at + 1 : end]):
        return -1
    return size if end == at + size else 0


def match_marked_body(buffer: bytes | bytearray, at: int, size: int, kind: int) -> int:
    """A frame of first byte ``kind`` whose other bytes have bit 7 set; as ``SerialLink.match``."""
    if buffer[at] != kind:
        return -1
    end = min(at + size, len(buffer))
    if any(byte < 0x80 for byte in buffer[at + 1 : end]):
        return -1
    return size if end == at + size else 0
