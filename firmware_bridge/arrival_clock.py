"""Times of readings whose sensor sends none, from when their bytes were read. Pure.

Bytes are read in clumps: five frames of a 250 Hz sensor bear the same time of arrival. The sensor's
own quartz is far steadier, so that readings are placed one interval after each other and the
arrivals only steer, as a second-order effect, the way a phase-locked loop follows a noisy clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from firmware_bridge.sample import Sample

# A share so small that a clump of 16 ms (a USB adapter's latency timer) moves a 4 ms grid by less
# than a millisecond, and large enough to follow a quartz that is wrong by 100 ppm.
_STEERING = 1 / 32
# Beyond this, frames were lost or the sensor paused: the readings are where they arrived.
_JUMP_NS = 250_000_000


class ArrivalClock:
    """Follows each stream of one sensor that has evenly spaced readings."""

    def __init__(self) -> None:
        self._next_ns: dict[str, int] = {}

    def spread(self, samples: Iterable[Sample]) -> list[Sample]:
        """The samples with steadier times; single readings keep those of their arrival.

        Args:
            samples: in the order of their frames, stamped with the arrival of their bytes.
        """
        return [self._placed(sample) if sample.interval_ns else sample for sample in samples]

    def reset(self) -> None:
        """The line was away: what follows begins anew."""
        self._next_ns.clear()

    def _placed(self, sample: Sample) -> Sample:
        expected_ns = self._next_ns.get(sample.stream, sample.timestamp_ns)
        error_ns = sample.timestamp_ns - expected_ns
        placed_ns = sample.timestamp_ns
        if abs(error_ns) <= _JUMP_NS:
            placed_ns = expected_ns + round(error_ns * _STEERING)
        self._next_ns[sample.stream] = placed_ns + len(sample.values) * sample.interval_ns
        return replace(sample, timestamp_ns=placed_ns)
