"""Writes what a source reads to a recording, a frame a line."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.frame_envelope import DELIMITER, MAX_FRAME_BYTES
from firmware_bridge.frame_lines import FrameLines
from firmware_bridge.profile import SerialLink
from firmware_bridge.raw_recording import REOPENED, RawFrame
from firmware_bridge.serial_profiles.resync import FrameScanner

Cut = Callable[[bytes], list[bytes]]


class FrameCutter:
    """Cuts a line's bytes into frames as the decoder does, whatever is in them.

    Args:
        link: of the profile; None for our own frame.
    """

    def __init__(self, link: SerialLink | None) -> None:
        self._scanner = FrameScanner(link) if link is not None else None
        self._lines = FrameLines(MAX_FRAME_BYTES)

    @property
    def garbage(self) -> int:
        """Bytes that belonged to no frame; our own frames' garbage is a frame that is refused."""
        return self._scanner.garbage if self._scanner is not None else 0

    def cut(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete."""
        if self._scanner is not None:
            return self._scanner.feed(data)
        return [line + DELIMITER for line in self._lines.receive(data)]

    def reset(self) -> None:
        """Half a frame is void."""
        if self._scanner is not None:
            self._scanner.reset()
        self._lines.clear()


class Recorder:
    """A tap that records; see :class:`firmware_bridge.raw_tap.RawTap`.

    Args:
        sensor: configured name of the sensor.
        channel: ``"serial"``, or the last part of a characteristic's UUID.
        cutter: of what is a stream of bytes; None where each value is a frame.
        add: takes the frames.
    """

    def __init__(
        self,
        sensor: str,
        channel: str,
        cutter: FrameCutter | None,
        add: Callable[[RawFrame], None],
    ) -> None:
        self._sensor = sensor
        self._channel = channel
        self._cutter = cutter
        self._add = add
        self._last_ns = 0

    @property
    def garbage(self) -> int:
        """Bytes that belonged to no frame and are not in the recording."""
        return self._cutter.garbage if self._cutter is not None else 0

    def received(self, received_ns: int, data: bytes) -> None:
        """Record the frames that these bytes complete."""
        self._last_ns = received_ns
        for frame in [data] if self._cutter is None else self._cutter.cut(data):
            self._add(RawFrame(received_ns, self._sensor, self._channel, frame))

    def reopened(self) -> None:
        """Record that the line was away, after what was read before."""
        if self._cutter is not None:
            self._cutter.reset()
        if self._last_ns:
            self._add(RawFrame(self._last_ns, self._sensor, REOPENED, b""))
