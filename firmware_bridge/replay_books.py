"""Where every reading of a replay went. Pure.

recorded + copied + spurious = delivered + the sum of lost, to the reading, at any moment at which
the decoder holds nothing back; and nothing is lost for the reason ``unexplained``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_bridge.replay_items import ReplayFrame
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import SourceCounters
from firmware_bridge.stream_decoder import StreamDecoder

DAMAGED = "damaged"
REPEATED = "repeated"
UNDESCRIBED = "undescribed"
MISREAD = "misread"
UNEXPLAINED = "unexplained"


@dataclass(slots=True)
class ReplayBooks:
    """The account, in readings.

    Attributes:
        recorded: that the recording held.
        copied: that duplicates brought in addition.
        spurious: that a decoder made of damaged bytes beyond those that were sent.
        delivered: that the decoder yielded.
        lost: by reason: the faults ``drop``, ``gap`` and ``disconnect`` on the way; ``damaged``,
            ``repeated`` (twice or too late) and ``undescribed`` by the decoder's own counters;
            ``misread`` where a flipped bit made fewer readings of a frame without a checksum.
    """

    recorded: int = 0
    copied: int = 0
    spurious: int = 0
    delivered: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def balance(self) -> int:
        """What is missing on the right-hand side; 0 when the books are right."""
        came = self.recorded + self.copied + self.spurious
        return came - self.delivered - sum(self.lost.values())

    @property
    def right(self) -> bool:
        """Whether every reading was delivered or lost for a reason that is known."""
        return not self.balance and not self.lost[UNEXPLAINED]


class BookKeeper:
    """Feeds a decoder frame by frame, and books what became of each.

    Args:
        decoder: of the sensor.
    """

    def __init__(self, decoder: StreamDecoder) -> None:
        self._decoder = decoder
        self._owed = 0
        self._flipped = False
        self._settled = _Refusals.of(decoder.counters)
        self.books = ReplayBooks()

    def sent(self, frame: ReplayFrame) -> ReplayFrame:
        """A frame leaves the recording; returns it."""
        self.books.recorded += frame.readings
        return frame

    def lost(self, reason: str, frame: ReplayFrame) -> None:
        """A frame never arrived."""
        self.books.lost[reason] += frame.readings

    def copied(self, frame: ReplayFrame) -> None:
        """A frame arrives once more."""
        self.books.copied += frame.readings

    def receive(self, frame: ReplayFrame, received_ns: int) -> Sequence[Sample | Mark]:
        """Decode a frame that arrived."""
        counters = self._decoder.counters
        before = counters.readings
        events = self._decoder.receive(frame.data, received_ns)
        delivered = counters.readings - before
        self.books.delivered += delivered
        self._owed += frame.readings - delivered
        self._flipped |= frame.damaged
        if self._decoder.pending == 0:
            self._settle()
        return events

    def line_reopened(self) -> None:
        """The line was lost: what the decoder held back never gets its rest."""
        self._decoder.line_reopened()
        self._settle(otherwise=DAMAGED)

    def close(self) -> None:
        """Nothing more arrives."""
        self._settle(otherwise=DAMAGED)

    def _settle(self, otherwise: str = UNEXPLAINED) -> None:
        now = _Refusals.of(self._decoder.counters)
        if self._owed > 0:
            reason = now.reason_since(self._settled) or (MISREAD if self._flipped else otherwise)
            self.books.lost[reason] += self._owed
        elif self._owed < 0:
            self.books.spurious -= self._owed
        self._owed = 0
        self._flipped = False
        self._settled = now


@dataclass(frozen=True, slots=True)
class _Refusals:
    damaged: int
    repeated: int
    undescribed: int

    @classmethod
    def of(cls, counters: SourceCounters) -> _Refusals:
        damaged = counters.malformed + counters.garbage
        return cls(damaged, counters.duplicates, counters.undescribed)

    def reason_since(self, earlier: _Refusals) -> str | None:
        if self.damaged > earlier.damaged:
            return DAMAGED
        if self.repeated > earlier.repeated:
            return REPEATED
        return UNDESCRIBED if self.undescribed > earlier.undescribed else None
