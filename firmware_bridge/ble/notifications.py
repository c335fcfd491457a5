"""From the values of a characteristic to samples. Sans I/O."""

from __future__ import annotations

from typing import Any

from firmware_bridge.errors import FrameError
from firmware_bridge.profile import Profile
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.resync import FrameScanner
from firmware_bridge.source import SourceCounters


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
