"""From the values of a characteristic to samples. Sans I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from firmware_bridge.errors import FrameError
from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.gatt import perfuse_frame
from firmware_bridge.profile import Profile
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.resync import FrameScanner
from firmware_bridge.source import SourceCounters


class ValueDecoder(Protocol):
    """What turns the values of a characteristic into events."""

    def receive(self, value: bytes, received_ns: int) -> Sequence[Sample | Mark]:
        """What this value completes; it came at ``received_ns``, Unix nanoseconds."""

    def negotiated(self, factor: float) -> None:
        """From now on a count is worth so much."""

    def link_reopened(self) -> None:
        """The link was lost and is open again."""


def value_decoder(
    sensor: str, profile: Profile[Any], counters: SourceCounters, utc_offset_s: int = 0
) -> ValueDecoder:
    """The decoder of one sensor's values; see ``NotificationDecoder`` for the arguments."""
    if profile.name == perfuse_frame.NAME:
        return OwnFrameDecoder(sensor, counters)
    return NotificationDecoder(sensor, profile, counters, utc_offset_s)


class OwnFrameDecoder:
    """Our own frames in pieces; they bring their times, their scales and their marks."""

    def __init__(self, sensor: str, counters: SourceCounters) -> None:
        self._stream = FrameStream(sensor, counters)

    def receive(self, value: bytes, _received_ns: int) -> Sequence[Sample | Mark]:
        """See :class:`ValueDecoder`."""
        return self._stream.receive(value)

    def negotiated(self, factor: float) -> None:
        """Nothing is negotiated with our sensors."""

    def link_reopened(self) -> None:
        """See :class:`ValueDecoder`."""
        self._stream.line_reopened()


class NotificationDecoder:
    """Decodes what one sensor notifies, and counts.

    A value is a frame, except where the profile is a serial one over BLE: there notifications are
    a stream that is cut with the profile's own match.

    Args:
        sensor: configured name of the sensor.
        profile: decodes a frame.
        counters: of the source.
        utc_offset_s: how far the sensor's civil clock is ahead of UTC.
    """

    def __init__(
        self,
        sensor: str,
        profile: Profile[Any],
        counters: SourceCounters,
        utc_offset_s: int = 0,
    ) -> None:
        self._sensor = sensor
        self._profile = profile
        self._counters = counters
        self._utc_offset_s = utc_offset_s
        self._scanner = FrameScanner(profile.serial) if profile.serial is not None else None
        self._factor = 1.0

    def receive(self, value: bytes, received_ns: int) -> list[Sample]:
        """Samples that this value completes.

        Args:
            value: of the profile's characteristic.
            received_ns: when it came, in Unix nanoseconds.
        """
        frames = [value] if self._scanner is None else self._scanner.feed(value)
        arrival = Arrival(
            self._sensor, received_ns, utc_offset_s=self._utc_offset_s, factor=self._factor
        )
        samples: list[Sample] = []
        for frame in frames:
            try:
                decoded = self._profile.decode(frame)
            except FrameError:
                self._counters.malformed += 1
                continue
            self._counters.frames += 1
            samples += self._profile.to_samples(decoded, arrival)
        self._counters.readings += sum(len(sample.values) for sample in samples)
        return samples

    def negotiated(self, factor: float) -> None:
        """From now on a count is worth so much."""
        self._factor = factor

    def link_reopened(self) -> None:
        """The link was lost and is open again: half a frame of the old one is garbage."""
        if self._scanner is not None:
            self._scanner.reset()
