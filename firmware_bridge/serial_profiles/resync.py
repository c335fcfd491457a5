"""Cutting a serial byte stream into frames, past any garbage. Sans I/O: bytes in, frames out."""

from __future__ import annotations

from firmware_bridge.profile import SerialLink


class FrameScanner:
    """Yields whole frames of one serial profile and counts what is none.

    The frames do not depend on how the bytes were cut: feeding one at a time gives the same. It
    holds back less than ``link.longest`` bytes between feeds.

    Attributes:
        frames: frames yielded.
        garbage: bytes that belonged to no frame.
    """

    __slots__ = ("_buffer", "_link", "frames", "garbage")

    def __init__(self, link: SerialLink) -> None:
        self._link = link
        self._buffer = bytearray()
        self.frames = 0
        self.garbage = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Frames completed by ``data``, oldest first."""
        buffer = self._buffer
        buffer += data
        match = self._link.match
        found: list[bytes] = []
        at = 0
        while at < len(buffer):
            size = match(buffer, at)
            if size > 0:
                found.append(bytes(buffer[at : at + size]))
                at += size
            elif size < 0:
                # Only one byte is given up: the true frame may begin inside the false one.
                self.garbage += 1
                at += 1
            else:
                break
        del buffer[:at]
        self.frames += len(found)
        return found

    @property
    def pending(self) -> int:
        """Bytes held back because the frame that they begin is not complete."""
        return len(self._buffer)

    def reset(self) -> None:
        """Forget what was held back, as garbage; for a port that was closed and opened again."""
        self.garbage += len(self._buffer)
        self._buffer.clear()


def match_fixed(
    buffer: bytes | bytearray, at: int, head: bytes, size: int, tail: bytes = b""
) -> int:
    """A frame of ``size`` bytes between ``head`` and ``tail``; as ``SerialLink.match``."""
    have = bytes(buffer[at : at + size])
    if not have.startswith(head[: len(have)]):
        return -1
    if len(have) < size:
        return 0
    return size if have.endswith(tail) else -1
