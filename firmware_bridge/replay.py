"""Replays a recorded session inside this process, through the real frame decoder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.recording import RecordedSession
from firmware_bridge.recording_frames import TimedFrame, segments_to_frames
from firmware_bridge.replay_pace import ReplayPace
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import SourceCounters

# At infinite speed the loop's other tasks run once in so many frames.
_FRAMES_PER_TURN = 64


class ReplaySource:
    """A source that encodes a session, decodes it again, and ends with it.

    Args:
        sensor: configured name of the sensor.
        session: what was recorded.
        speed: 1 is real time, ``math.inf`` as fast as it is read.
        frames: sent instead of ``segments_to_frames(session)``, such as its frames with faults.
    """

    def __init__(
        self,
        sensor: str,
        session: RecordedSession,
        speed: float = 1.0,
        *,
        frames: Iterable[TimedFrame] | None = None,
    ) -> None:
        self._sensor = sensor
        self._frames = segments_to_frames(session) if frames is None else frames
        self._speed = speed
        self._stream = FrameStream(sensor)
        self._closed = asyncio.Event()

    @property
    def sensor(self) -> str:
        """Configured name of the sensor."""
        return self._sensor

    @property
    def counters(self) -> SourceCounters:
        """Live counters of this source."""
        return self._stream.counters

    async def events(self) -> AsyncIterator[Sample | Mark]:
        """Yield samples and marks when they are due; ends with the session or after ``close``."""
        loop = asyncio.get_running_loop()
        pace = ReplayPace(self._speed, loop.time())
        for index, (due_ns, frame) in enumerate(self._frames):
            delay_s = pace.delay_s(due_ns, loop.time())
            if delay_s > 0 or index % _FRAMES_PER_TURN == 0:
                await self._closed_within(delay_s)
            if self._closed.is_set():
                return
            for event in self._stream.receive(frame):
                yield event

    def close(self) -> None:
        """End the events."""
        self._closed.set()

    async def _closed_within(self, delay_s: float) -> None:
        if delay_s == 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(delay_s):
                await self._closed.wait()
        except TimeoutError:
            return
