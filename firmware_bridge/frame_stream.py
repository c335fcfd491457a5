"""Our serial frames as a stream: bytes in, samples and marks out, everything else counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import FrameError
from firmware_bridge.frame import Batch, MarkMessage, StreamDescription, decode_frame
from firmware_bridge.frame_envelope import MAX_FRAME_BYTES, PROFILE
from firmware_bridge.frame_lines import FrameLines
from firmware_bridge.frame_sequence import SequenceTracker
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import SourceCounters

_INT16_LE = np.dtype("<i2")


class FrameStream:
    """Decodes one sensor's line. Nothing that the sensor sends is fatal; see ``counters``.

    A description or a mark that is repeated is state said again: it counts as a frame and yields
    nothing. A mark whose first sending was lost therefore comes about a second late, with the time
    stamp that it always had.
    """

    def __init__(self, sensor: str, counters: SourceCounters | None = None) -> None:
        self._sensor = sensor
        self.counters = counters if counters is not None else SourceCounters()
        self._lines = FrameLines(MAX_FRAME_BYTES)
        self._streams: dict[int, _Stream] = {}
        self._marks = SequenceTracker()
        self._last_mark: MarkMessage | None = None

    @property
    def pending(self) -> int:
        """Bytes held back because the frame that they begin is not complete."""
        return self._lines.pending

    def receive(self, data: bytes, _received_ns: int = 0) -> list[Sample | Mark]:
        """What these bytes complete; the same events however the bytes are cut.

        When they came does not matter: every frame bears its sensor's time.
        """
        events: list[Sample | Mark] = []
        for line in self._lines.receive(data):
            try:
                event = self._decode(line)
            except FrameError:
                self.counters.malformed += 1
                continue
            if event is not None:
                events.append(event)
        return events

    def negotiated(self, factor: float) -> None:
        """Nothing is negotiated with our sensors: their descriptions say what a count is worth."""

    def line_reopened(self) -> None:
        """The line was lost and is open again: half a frame is void, the sensor may be new."""
        self._lines.clear()
        self._marks.line_reopened()
        for stream in self._streams.values():
            stream.sequence.line_reopened()

    def _decode(self, line: bytes) -> Sample | Mark | None:
        match decode_frame(line):
            case Batch() as batch:
                return self._sample(batch)
            case MarkMessage() as mark:
                return self._mark(mark)
            case StreamDescription() as description:
                self._describe(description)
                return None

    def _describe(self, description: StreamDescription) -> None:
        self.counters.frames += 1
        known = self._streams.get(description.stream_id)
        if known is None:
            self._streams[description.stream_id] = _Stream(description)
        elif known.description != description:
            self._streams[description.stream_id] = _Stream(description, known.sequence)

    def _sample(self, batch: Batch) -> Sample | None:
        stream = self._streams.get(batch.stream_id)
        if stream is None:
            self.counters.undescribed += 1
            return None
        # Before the sequence moves: a frame that is refused here goes on as missing too.
        values = stream.values(batch)
        if not self._admit(stream.sequence, batch.sequence, batch.timestamp_ns):
            return None
        self.counters.readings += len(values)
        return Sample(
            self._sensor,
            stream.description.name,
            stream.description.channels,
            batch.timestamp_ns,
            stream.description.interval_ns,
            values,
        )

    def _mark(self, mark: MarkMessage) -> Mark | None:
        if mark == self._last_mark:
            self.counters.frames += 1
            return None
        if not self._admit(self._marks, mark.sequence, mark.timestamp_ns):
            return None
        self._last_mark = mark
        return Mark(self._sensor, mark.timestamp_ns, mark.label)

    def _admit(self, tracker: SequenceTracker, sequence: int, timestamp_ns: int) -> bool:
        previous_ns = tracker.timestamp_ns
        missing = tracker.admit(sequence, timestamp_ns)
        if missing is None:
            self.counters.duplicates += 1
            return False
        self.counters.frames += 1
        self.counters.missing += missing
        self.counters.clock_steps += timestamp_ns < previous_ns
        return True


@dataclass(slots=True)
class _Stream:
    description: StreamDescription
    sequence: SequenceTracker = field(default_factory=SequenceTracker)
    scales: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.scales = np.array(self.description.scales, dtype=np.float32)

    def values(self, batch: Batch) -> NDArray[np.float32]:
        """float32[n, C] in physical units."""
        channels = len(self.scales)
        readings, rest = divmod(len(batch.readings), 2 * channels)
        if rest or not readings:
            reason = f"{len(batch.readings)} bytes of readings for {channels} channels"
            raise FrameError(PROFILE, reason)
        if readings > 1 and not self.description.interval_ns:
            raise FrameError(PROFILE, f"{readings} readings in a batch of an aperiodic stream")
        raw = np.frombuffer(batch.readings, _INT16_LE).reshape(readings, channels)
        values: NDArray[np.float32] = raw * self.scales
        return values
