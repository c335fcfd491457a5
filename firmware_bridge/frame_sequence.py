"""What a sequence number says: how many frames are missing, or that this one came before."""

from __future__ import annotations

from firmware_bridge.frame import SEQUENCE_MODULUS

# A serial line repeats frames but does not reorder them far: a number that lies further back, or
# that comes with a newer time stamp, is a sensor that has started again.
LATE_FRAMES = 64


class SequenceTracker:
    """Follows one counter modulo 2**32."""

    def __init__(self) -> None:
        self._sequence: int | None = None
        self._timestamp_ns = 0
        self._may_restart = False

    @property
    def timestamp_ns(self) -> int:
        """Time stamp of the last frame that was admitted; 0 before the first."""
        return self._timestamp_ns

    def line_reopened(self) -> None:
        """The sensor was away: a number that lies behind is now a new count, not a late frame."""
        self._may_restart = True

    def admit(self, sequence: int, timestamp_ns: int) -> int | None:
        """How many frames are missing before this one; None for one that came twice or late."""
        missing = self._missing_before(sequence, timestamp_ns)
        if missing is not None:
            self._sequence = sequence
            self._timestamp_ns = timestamp_ns
            self._may_restart = False
        return missing

    def _missing_before(self, sequence: int, timestamp_ns: int) -> int | None:
        if self._sequence is None:
            return 0
        ahead = (sequence - self._sequence) % SEQUENCE_MODULUS
        if 0 < ahead < SEQUENCE_MODULUS // 2:
            return ahead - 1
        behind = -ahead % SEQUENCE_MODULUS
        late = behind <= LATE_FRAMES and timestamp_ns <= self._timestamp_ns
        return None if late and not self._may_restart else 0
