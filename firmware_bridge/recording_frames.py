"""Encodes a recorded session into the frames that a sensor would have sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.frame import (
    SEQUENCE_MODULUS,
    Batch,
    MarkMessage,
    StreamDescription,
    encode_frame,
)
from firmware_bridge.recording import RecordedSession, Segment

# When a frame is complete, in nanoseconds since the session began, and its bytes.
TimedFrame = tuple[int, bytes]

_FULL_SCALE = 32767
_SECOND_NS = 10**9


def segments_to_frames(
    session: RecordedSession,
    *,
    stream: str = "imu",
    stream_id: int = 0,
    readings_per_batch: int = 10,
    gap_s: float | None = None,
    start_ns: int | None = None,
    loops: int | None = 1,
    marks: bool = True,
) -> Iterator[TimedFrame]:
    """The frames of a session, each with the time at which a sensor could have sent it.

    A mark opens each segment, and one without a label closes it before a silence. The description
    and the latest mark are repeated every second of the sensor's clock.

    Args:
        session: what was recorded.
        stream: name of the stream.
        stream_id: its number on the line.
        readings_per_batch: the last batch of a segment may be shorter.
        gap_s: silence after each segment, on the sensor's clock; None keeps the recorded times.
        start_ns: the sensor's time at the first reading; None keeps the recorded one.
        loops: how often the session is sent, time and sequences going on; None for ever.
        marks: whether this stream says the labels; of a sensor's streams only one may.

    Raises:
        ValueError: a reading, a label or a channel does not fit a frame.
    """
    description = StreamDescription(
        stream_id, stream, session.interval_ns, session.channels, session_scales(session)
    )
    encoder = _SessionEncoder(description, readings_per_batch, marks)
    origin_ns = session.segments[0].start_ns if start_ns is None else start_ns
    for segment, silent_after in _timeline(session, gap_s, origin_ns, loops):
        for timestamp_ns, frame in encoder.segment(segment, silent_after):
            yield timestamp_ns - origin_ns, frame


def session_scales(session: RecordedSession) -> tuple[float, ...]:
    """Physical value of one int16 step, per channel: the largest magnitude of the session / 32767.

    Symmetric, so that zero stays zero; rounded up to a float32, so that the largest value still
    fits; 1 where a channel is never anything but 0.
    """
    peak = np.max([np.abs(s.readings).max(axis=0) for s in session.segments], axis=0)
    # Below this the float32 scale would be subnormal and lose the precision of its steps.
    smallest = float(np.finfo(np.float32).tiny)
    exact = np.maximum(peak.astype(np.float64) / _FULL_SCALE, smallest)
    scales = np.where(peak > 0, exact, 1.0).astype(np.float32)
    scales = np.where(scales < exact, np.nextafter(scales, np.float32(np.inf)), scales)
    return tuple(float(scale) for scale in scales)


def _timeline(
    session: RecordedSession, gap_s: float | None, origin_ns: int, loops: int | None
) -> Iterator[tuple[Segment, bool]]:
    """Each segment at its time in the replay, and whether silence follows it."""
    silences_ns = [
        later.start_ns - session.end_ns(earlier) for earlier, later in pairwise(session.segments)
    ] + [0]
    if gap_s is not None:
        silences_ns = [round(gap_s * _SECOND_NS)] * len(session.segments)
    clock_ns = origin_ns
    for loop in count(1):
        for index, segment in enumerate(session.segments):
            ends = loop == loops and index == len(silences_ns) - 1
            yield replace(segment, start_ns=clock_ns), silences_ns[index] > 0 or ends
            clock_ns += len(segment.readings) * session.interval_ns + silences_ns[index]
        if loop == loops:
            return


class _SessionEncoder:
    """Counts and repeats as a sensor's firmware does."""

    def __init__(
        self, description: StreamDescription, readings_per_batch: int, marked: bool
    ) -> None:
        self._marked = marked
        self._description = description
        self._description_frame = encode_frame(description)
        self._readings_per_batch = readings_per_batch
        self._scales = np.array(description.scales, dtype=np.float64)
        self._batches = 0
        self._marks = 0
        self._mark_frame = b""
        self._said_state_ns: int | None = None

    def segment(self, segment: Segment, silent_after: bool) -> Iterator[TimedFrame]:
        """The frames of one segment, by the sensor's clock."""
        yield from self._state_if_due(segment.start_ns)
        if self._marked:
            yield segment.start_ns, self._mark(segment.start_ns, segment.label)
        raw = self._quantise(segment.readings)
        interval_ns = self._description.interval_ns
        for first in range(0, len(raw), self._readings_per_batch):
            rows = raw[first : first + self._readings_per_batch]
            timestamp_ns = segment.start_ns + first * interval_ns
            yield from self._state_if_due(timestamp_ns)
            yield timestamp_ns + len(rows) * interval_ns, self._batch(timestamp_ns, rows)
        if silent_after and self._marked:
            end_ns = segment.start_ns + len(raw) * interval_ns
            yield end_ns, self._mark(end_ns, None)

    def _state_if_due(self, timestamp_ns: int) -> Iterator[TimedFrame]:
        if self._said_state_ns is None or timestamp_ns - self._said_state_ns >= _SECOND_NS:
            self._said_state_ns = timestamp_ns
            yield timestamp_ns, self._description_frame
            if self._mark_frame:
                yield timestamp_ns, self._mark_frame

    def _mark(self, timestamp_ns: int, label: str | None) -> bytes:
        mark = MarkMessage(self._marks % SEQUENCE_MODULUS, timestamp_ns, label)
        self._marks += 1
        self._mark_frame = encode_frame(mark)
        return self._mark_frame

    def _batch(self, timestamp_ns: int, rows: NDArray[np.int16]) -> bytes:
        sequence = self._batches % SEQUENCE_MODULUS
        self._batches += 1
        batch = Batch(self._description.stream_id, sequence, timestamp_ns, rows.tobytes())
        return encode_frame(batch)

    def _quantise(self, readings: NDArray[np.float32]) -> NDArray[np.int16]:
        steps = np.clip(np.rint(readings / self._scales), -_FULL_SCALE, _FULL_SCALE)
        raw: NDArray[np.int16] = steps.astype("<i2")
        return raw
