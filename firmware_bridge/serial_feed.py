"""Hands what a port says from the reading thread to an event loop, never more than a bound."""

from __future__ import annotations

import asyncio
import threading
from enum import Enum, auto


class LineEvent(Enum):
    """What happens between chunks."""

    REOPENED = auto()


# A chunk with its time of arrival in Unix nanoseconds.
Item = tuple[int, bytes] | LineEvent


class SerialFeed:
    """A bounded queue with one producing thread and one consuming coroutine.

    The producer never waits: it stops reading a port whose feed is full. The kernel's buffer then
    fills, and what a sensor sends beyond that shows as a gap in its sequence numbers.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._ready = asyncio.Event()
        self._items: list[Item] = []
        self._waiting_bytes = 0
        self._finished = False

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return self._waiting_bytes >= self._limit_bytes

    def put(self, item: Item) -> bool:
        """From any thread: queue an item; whether the consumer has to be woken for it."""
        with self._lock:
            self._items.append(item)
            if not isinstance(item, LineEvent):
                self._waiting_bytes += len(item[1])
            return len(self._items) == 1

    def wake(self) -> None:
        """From the loop: there is something to take."""
        self._ready.set()

    def finish(self) -> None:
        """From the loop: no more items; the consumer gets those queued."""
        self._finished = True
        self._ready.set()

    async def take(self) -> list[Item]:
        """From the loop: all queued items, at least one; an empty list after the last."""
        while True:
            await self._ready.wait()
            with self._lock:
                items, self._items = self._items, []
                self._waiting_bytes = 0
            if not self._finished:
                self._ready.clear()
            # A wake-up may come after its item was taken with the one before.
            if items or self._finished:
                return items
