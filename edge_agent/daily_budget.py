"""What a gateway may exchange in a day, and what of it is spent, whatever is killed meanwhile.

Days are UTC's. The journal is written a block of bytes ahead of what is spent, so that not each
message costs a write: a process that is killed has spent at most that block less than it finds
afterwards, and never more.
"""

from __future__ import annotations

from edge_agent.journal import Journal

_DAY_S = 86_400
# Ahead of what is spent, at most; of a small budget a sixteenth.
_BLOCK_BYTES = 64 * 1024
# Of a PUBLISH beside topic and payload (MQTT 3.1.1, 3.3): fixed header, topic's length, packet id.
_HEADER_BYTES = 9


def message_bytes(topic: str, payload: bytes) -> int:
    """Return what a message takes at most on the wire; TCP and TLS are not counted."""
    return _HEADER_BYTES + len(topic.encode()) + len(payload)


class DailyBudget:
    """Counts a day's bytes, both ways.

    Args:
        journal: where they are durable.
        limit_bytes: of a day; 0 is no limit.
    """

    def __init__(self, journal: Journal, limit_bytes: int = 0) -> None:
        self._journal = journal
        self._limit = limit_bytes
        self._block = min(_BLOCK_BYTES, limit_bytes // 16 + 1) if limit_bytes else _BLOCK_BYTES
        self._day, self._written = journal.day_spent()
        self._spent = self._written

    def spend(self, count: int, now: float) -> None:
        """Count bytes that go or came at Unix time ``now``.

        Raises:
            StorageError: the journal cannot be written; they are counted while the process lives.
        """
        self._turn(now)
        self._spent += count
        if self._spent > self._written:
            self._written = self._spent + self._block
            self._journal.keep_day_spent(self._day, self._written)

    def spent(self, now: float) -> int:
        """Return the bytes of today."""
        self._turn(now)
        return self._spent

    def left(self, now: float) -> int | None:
        """Return the bytes that may still be exchanged today; ``None`` without a limit."""
        return max(self._limit - self.spent(now), 0) if self._limit else None

    def close(self) -> None:
        """Write what was spent, no block ahead.

        Raises:
            StorageError: the journal cannot be written.
        """
        if self._written != self._spent:
            self._written = self._spent
            self._journal.keep_day_spent(self._day, self._spent)

    def _turn(self, now: float) -> None:
        """A new day has nothing spent; a clock that was set back gives no day again."""
        day = int(now // _DAY_S)
        if day > self._day:
            self._day, self._spent, self._written = day, 0, 0
