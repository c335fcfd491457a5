"""The interface of everything that yields samples: serial, BLE, replay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.sample import Mark, Sample


@dataclass(slots=True)
class SourceCounters:
    """What happened on a source since it was opened; nothing here is fatal.

    Attributes:
        frames: frames that decoded.
        readings: readings delivered, summed over frames.
        malformed: frames that a decoder refused.
        garbage: bytes that belonged to no frame.
        missing: frames that never came, by the gaps in the sequence numbers.
        duplicates: frames that came twice or late, dropped.
        clock_steps: frames whose time stamp went backwards.
        reopened: times that the source was lost and opened again.
        undescribed: frames of a stream that the sensor has not described yet, dropped.
        silent: links that were closed because nothing came any more.
        failed_connects: attempts to connect that led to no stream.
        overrun: values dropped because nobody took those before them.
    """

    frames: int = 0
    readings: int = 0
    malformed: int = 0
    garbage: int = 0
    missing: int = 0
    duplicates: int = 0
    clock_steps: int = 0
    reopened: int = 0
    undescribed: int = 0
    silent: int = 0
    failed_connects: int = 0
    overrun: int = 0


class Source(Protocol):
    """Something that yields samples until it is closed."""

    @property
    def sensor(self) -> str:
        """Configured name of the sensor."""

    @property
    def counters(self) -> SourceCounters:
        """Live counters of this source."""

    def events(self) -> AsyncIterator[Sample | Mark]:
        """Yield samples and marks as they come; ends when the source is closed.

        Raises:
            SourceError: the source cannot be opened at all.
        """
