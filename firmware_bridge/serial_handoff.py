"""Hands bytes from a reader thread to an event loop, never more than a bound at a time."""

from __future__ import annotations

import asyncio
import threading
from enum import Enum, auto


class LineEvent(Enum):
    """What a reader says between chunks."""

    REOPENED = auto()


Item = bytes | LineEvent


class Handoff:
    """A bounded queue of chunks with one producing thread and one consuming coroutine.

    ``put`` blocks while ``limit_bytes`` wait: the kernel's buffer then fills, and what a sensor
    sends beyond that shows as a gap in its sequence numbers. Many chunks cost one wake-up of the
    loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_bytes: int) -> None:
        self._loop = loop
        self._limit_bytes = limit_bytes
        self._ready = asyncio.Event()
        self._changed = threading.Condition()
        self._items: list[Item] = []
        self._waiting_bytes = 0
        self._finished = False
        self._error: Exception | None = None

    @property
    def finished(self) -> bool:
        """Whether either side has ended it."""
        return self._finished

    def put(self, item: Item) -> bool:
        """From the thread: queue an item once there is room; False when nobody takes any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._finished or self._waiting_bytes < self._limit_bytes
            )
            if self._finished:
                return False
            self._items.append(item)
            self._waiting_bytes += len(item) if isinstance(item, bytes) else 0
            return len(self._items) > 1 or self._wake()

    def finish(self, error: Exception | None = None) -> None:
        """From either side: no more items; the consumer gets those queued, then ``error``."""
        with self._changed:
            if not self._finished:
                self._finished = True
                self._error = error
            self._changed.notify_all()
            self._wake()

    async def take(self) -> list[Item]:
        """From the loop: all queued items, at least one; an empty list after the last.

        Raises:
            Exception: what ``finish`` was given, after the last item.
        """
        while True:
            await self._ready.wait()
            with self._changed:
                items, self._items = self._items, []
                self._waiting_bytes = 0
                self._ready.clear()
                if self._finished:
                    self._ready.set()
                self._changed.notify_all()
            # A wake-up may come after its item was taken with the one before.
            if items or self._finished:
                break
        if not items and self._error is not None:
            raise self._error
        return items

    def _wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop was closed under a thread that still reads
            return False
        return True
