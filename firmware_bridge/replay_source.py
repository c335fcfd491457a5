"""A recording of raw frames as a source: the same decoders, at any speed, with faults to order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from firmware_bridge.errors import RecordingError
from firmware_bridge.profiles import UnknownProfileError
from firmware_bridge.raw_recording import RecordingHeader
from firmware_bridge.raw_recording_file import read_frames, read_header
from firmware_bridge.replay_books import BookKeeper, ReplayBooks
from firmware_bridge.replay_faults import FaultCounters, FaultRates, Faults
from firmware_bridge.replay_items import LineOutage, ReplayFrame, ReplayItem, replay_items
from firmware_bridge.replay_pace import ReplayPace
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import SourceCounters
from firmware_bridge.stream_decoder import open_decoder

# At infinite speed the loop's other tasks run once in so many frames.
_FRAMES_PER_TURN = 64


@dataclass(frozen=True, slots=True)
class ReplayOrder:
    """How a recording is replayed.

    Attributes:
        speed: 1 is real time, ``math.inf`` as fast as it is read.
        loops: how often; None for ever.
        faults: what happens to the frames on their way.
        seed: decides which frames.
    """

    speed: float = 1.0
    loops: int | None = 1
    faults: FaultRates = field(default_factory=FaultRates)
    seed: int = 0


class RecordedSource:
    """A source that reads a file and ends with it.

    Times of arrival are the recording's, whatever the speed: what comes out depends on the file and
    the order alone.

    Args:
        sensor: configured name of the sensor; the recording's own when empty.
        path: of the recording.
        order: how it is replayed.

    Raises:
        RecordingError: the file cannot be read, is no recording, or of a profile that is not known.
    """

    def __init__(self, sensor: str, path: Path, order: ReplayOrder | None = None) -> None:
        self._path = path
        self._order = order if order is not None else ReplayOrder()
        self.header: RecordingHeader = read_header(path)
        self._sensor = sensor or self.header.sensor
        try:
            self._decoder = open_decoder(
                self._sensor, self.header.profile, factor=self.header.factor
            )
            self._oracle = open_decoder(
                self._sensor, self.header.profile, factor=self.header.factor
            )
        except UnknownProfileError as error:
            raise RecordingError(path, f"line 1: {error}") from error
        self._keeper = BookKeeper(self._decoder)
        self._faults = Faults(
            np.random.default_rng(self._order.seed),
            self._order.faults,
            lost=self._keeper.lost,
            copied=self._keeper.copied,
        )
        self._closed = asyncio.Event()
        self.ended = False
        """Whether everything that arrives was yielded."""

    @property
    def sensor(self) -> str:
        """Configured name of the sensor."""
        return self._sensor

    @property
    def counters(self) -> SourceCounters:
        """Live counters of this source."""
        return self._decoder.counters

    @property
    def books(self) -> ReplayBooks:
        """Where every reading went; right once the events have ended."""
        return self._keeper.books

    @property
    def fault_counters(self) -> FaultCounters:
        """What was done to the frames."""
        return self._faults.counters

    def items(self) -> Iterator[ReplayItem]:
        """What arrives, without waiting for it; for a pty, which has a pace of its own.

        Raises:
            RecordingError: a line of the file cannot be read.
        """
        order = self._order
        recorded = replay_items(
            lambda: read_frames(self._path), self.header.profile, order.loops, self._oracle
        )
        return self._faults.apply(self._entered(recorded))

    async def events(self) -> AsyncIterator[Sample | Mark]:
        """Yield samples and marks when they are due; ends with the recording or after ``close``.

        Raises:
            RecordingError: a line of the file cannot be read.
        """
        loop = asyncio.get_running_loop()
        pace = ReplayPace(self._order.speed, loop.time())
        started_ns = self.header.started_ns
        for index, item in enumerate(self.items()):
            delay_s = pace.delay_s(item.due_ns, loop.time())
            if delay_s > 0 or index % _FRAMES_PER_TURN == 0:
                await self._closed_within(delay_s)
            if self._closed.is_set():
                break
            if isinstance(item, LineOutage):
                self._keeper.line_reopened()
                self.counters.reopened += 1
                continue
            for event in self._keeper.receive(item, started_ns + item.due_ns):
                yield event
        self._keeper.close()
        self.ended = True

    def close(self) -> None:
        """End the events."""
        self._closed.set()

    def _entered(self, items: Iterator[ReplayItem]) -> Iterator[ReplayItem]:
        for item in items:
            yield self._keeper.sent(item) if isinstance(item, ReplayFrame) else item

    async def _closed_within(self, delay_s: float) -> None:
        if delay_s == 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(None if math.isinf(delay_s) else delay_s):
                await self._closed.wait()
        except TimeoutError:
            return
