"""Cuts a byte stream into frames at its zero bytes; what garbage costs ends at the next one."""

from __future__ import annotations

from firmware_bridge.frame_envelope import DELIMITER


class FrameLines:
    """Bytes in, lines out, the same ones however the bytes were cut.

    A line that passes ``max_bytes`` is handed on once, so that its decoder refuses and counts it,
    and what follows up to the next zero byte is dropped: a babbling port costs no memory.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pending = b""
        self._dropping = False

    @property
    def pending(self) -> int:
        """Bytes of a line that has not ended; none of a line that is being dropped."""
        return len(self._pending)

    def receive(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their zero bytes, none of them empty."""
        lines = (self._pending + data).split(DELIMITER)
        self._pending = lines.pop()
        if self._dropping and lines:
            del lines[0]
            self._dropping = False
        if self._dropping:
            self._pending = b""
        elif len(self._pending) > self._max_bytes:
            lines.append(self._pending)
            self._pending = b""
            self._dropping = True
        # Two zero bytes in a row are how a sensor flushes a line that it cannot see.
        return [line for line in lines if line]

    def clear(self) -> None:
        """Forget a line that was cut short: its rest will never come."""
        self._pending = b""
        self._dropping = False
