"""Who is told of a sensor's bytes as they came, beside the decoder: a recorder. Pure."""

from __future__ import annotations

from typing import Protocol


class RawTap(Protocol):
    """Takes what a source reads, before it is decoded."""

    def received(self, received_ns: int, data: bytes) -> None:
        """Bytes of the line, or a notified value, at a Unix time in nanoseconds."""

    def reopened(self) -> None:
        """The line was lost and is open again; half a frame is void."""


class NoTap:
    """Nobody is told."""

    def received(self, received_ns: int, data: bytes) -> None:
        """See :class:`RawTap`."""

    def reopened(self) -> None:
        """See :class:`RawTap`."""
