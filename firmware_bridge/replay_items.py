"""What a replay consists of: frames that are due, and outages of their line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from firmware_bridge.errors import FrameError
from firmware_bridge.frame import (
    SEQUENCE_MODULUS,
    Batch,
    MarkMessage,
    StreamDescription,
    decode_frame,
    encode_frame,
)
from firmware_bridge.raw_recording import REOPENED, RawFrame
from firmware_bridge.stream_decoder import StreamDecoder, is_own_frame

# Between the last frame of one loop and the first of the next.
_LOOP_PAUSE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ReplayFrame:
    """One frame of a replay.

    Attributes:
        due_ns: when it arrives, since the replay began.
        data: its bytes.
        readings: that it yields when it arrives undamaged and in its turn.
        damaged: whether a fault changed its bytes.
    """

    due_ns: int
    data: bytes
    readings: int = 0
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class LineOutage:
    """The line is lost, and open again after ``lasts_ns``."""

    due_ns: int
    lasts_ns: int


ReplayItem = ReplayFrame | LineOutage
OpenFrames = Callable[[], Iterable[RawFrame]]


def replay_items(
    open_frames: OpenFrames, profile_name: str, loops: int | None, oracle: StreamDecoder
) -> Iterator[ReplayItem]:
    """The frames of a recording, each with its time and what it yields, over and over.

    Our own frames bear a count and a time: these go on from loop to loop as those of a sensor that
    was never restarted. Of other sensors the time of arrival is all there is.

    Args:
        open_frames: opens the recording; called once a loop.
        profile_name: what its frames are.
        loops: how often; None for ever.
        oracle: a fresh decoder of these frames, which says how many readings each yields.
    """
    onward = _Onward() if is_own_frame(profile_name) else None
    begins_ns = 0
    for loop in count(1):
        first_ns: int | None = None
        due_ns = begins_ns
        for frame in open_frames():
            first_ns = frame.t_ns if first_ns is None else first_ns
            # Arrival times come from a clock that may be set back; a replay only goes on.
            due_ns = max(due_ns, begins_ns + frame.t_ns - first_ns)
            if frame.ch == REOPENED:
                oracle.line_reopened()
                yield LineOutage(due_ns, 0)
                continue
            data = frame.data if onward is None else onward.restamped(frame.data)
            before = oracle.counters.readings
            oracle.receive(data, frame.t_ns)
            yield ReplayFrame(due_ns, data, oracle.counters.readings - before)
        if first_ns is None or loop == loops:
            return
        if onward is not None:
            onward.next_loop()
        begins_ns = due_ns + _LOOP_PAUSE_NS


class _Onward:
    """Moves the counts and times of our frames behind those of the loops before."""

    def __init__(self) -> None:
        self._shift_ns = 0
        self._batch_shift: dict[int, int] = {}
        self._mark_shift = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self._batches: dict[int, tuple[int, int]] = {}
        self._marks: tuple[int, int] | None = None

    def restamped(self, data: bytes) -> bytes:
        """The frame as a sensor that goes on would send it; what is no frame stays as it is."""
        try:
            message = decode_frame(data.removesuffix(b"\0"))
        except FrameError:
            return data
        if isinstance(message, StreamDescription):
            return data
        self._seen(message)
        if not self._shift_ns:
            return data
        shift = self._mark_shift
        if isinstance(message, Batch):
            shift = self._batch_shift.get(message.stream_id, 0)
        return encode_frame(
            replace(
                message,
                sequence=(message.sequence + shift) % SEQUENCE_MODULUS,
                timestamp_ns=message.timestamp_ns + self._shift_ns,
            )
        )

    def next_loop(self) -> None:
        """The recording begins anew."""
        if self._first_ns is not None:
            self._shift_ns += self._last_ns - self._first_ns + _LOOP_PAUSE_NS
        for stream_id, (first, last) in self._batches.items():
            self._batch_shift[stream_id] = self._batch_shift.get(stream_id, 0) + last - first + 1
        if self._marks is not None:
            self._mark_shift += self._marks[1] - self._marks[0] + 1

    def _seen(self, message: Batch | MarkMessage) -> None:
        time_ns, sequence = message.timestamp_ns, message.sequence
        self._first_ns = time_ns if self._first_ns is None else self._first_ns
        self._last_ns = max(self._last_ns, time_ns)
        if isinstance(message, Batch):
            first, _ = self._batches.get(message.stream_id, (sequence, 0))
            self._batches[message.stream_id] = (first, sequence)
        else:
            self._marks = (sequence if self._marks is None else self._marks[0], sequence)
