"""From a sensor's bytes to samples, by a profile of the registry. Sans I/O."""

from __future__ import annotations

from typing import Any

from firmware_bridge.arrival_clock import ArrivalClock
from firmware_bridge.errors import FrameError
from firmware_bridge.profile import Profile
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.resync import FrameScanner
from firmware_bridge.source import SourceCounters


class ProfileStream:
    """Decodes what one sensor sends, and counts.

    A notified value is a frame, except where the profile is a serial one: there the bytes are a
    stream that is cut with the profile's own match, and frames that came in one read are put back
    where they belong in time.

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
        self.counters = counters
        self._utc_offset_s = utc_offset_s
        self._scanner = FrameScanner(profile.serial) if profile.serial is not None else None
        self._clock = ArrivalClock() if profile.serial is not None else None
        self._factor = 1.0

    @property
    def pending(self) -> int:
        """Bytes held back because the frame that they begin is not complete."""
        return self._scanner.pending if self._scanner is not None else 0

    def receive(self, data: bytes, received_ns: int) -> list[Sample]:
        """Samples that these bytes complete.

        Args:
            data: of the line, or a value of the profile's characteristic.
            received_ns: when it came, in Unix nanoseconds.
        """
        arrival = Arrival(
            self._sensor, received_ns, utc_offset_s=self._utc_offset_s, factor=self._factor
        )
        samples: list[Sample] = []
        for frame in self._frames(data):
            try:
                decoded = self._profile.decode(frame)
            except FrameError:
                self.counters.malformed += 1
                continue
            self.counters.frames += 1
            samples += self._profile.to_samples(decoded, arrival)
        self.counters.readings += sum(len(sample.values) for sample in samples)
        return samples if self._clock is None else self._clock.spread(samples)

    def negotiated(self, factor: float) -> None:
        """From now on a count is worth so much."""
        self._factor = factor

    def line_reopened(self) -> None:
        """The line was lost and is open again: half a frame of the old one is garbage."""
        if self._scanner is not None:
            self._scanner.reset()
            self.counters.garbage = self._scanner.garbage
        if self._clock is not None:
            self._clock.reset()

    def _frames(self, data: bytes) -> list[bytes]:
        if self._scanner is None:
            return [data]
        frames = self._scanner.feed(data)
        self.counters.garbage = self._scanner.garbage
        return frames
