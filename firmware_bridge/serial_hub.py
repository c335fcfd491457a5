"""One thread that reads every serial port of a process.

A thread, because the event loop may stand still: while it waits for an SD card to sync, the thread
empties the kernel's few kilobytes. One for all ports, because what reading costs is waking up: two
hundred threads that wake for each frame cost several times what one does that wakes fifty times a
second and finds whatever came on all of them. A few sensors are read when their frames come.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import Callable

from firmware_bridge.serial_feed import SerialFeed
from firmware_bridge.wake_budget import WakeBudget

# What the kernel's line discipline holds at most.
_READ_BYTES = 4096
# Between two rounds where they are many: at 921600 baud a line discipline is half full by then.
_NAP_S = 0.02
# Rounds without a nap after a second of few.
_BURST = 50
# A port that had so much to read may have more than the nap can wait.
_BUSY_BYTES = _READ_BYTES // 2

Lost = Callable[[str], None]


class SerialHub:
    """Reads ports that are open already; the thread runs while there are any.

    All methods are called from one event loop's thread.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._ports: dict[int, _Port] = {}
        self._thread: threading.Thread | None = None
        self._epoll: select.epoll | None = None
        self._stop_event = -1
        self._loop: asyncio.AbstractEventLoop | None = None

    def register(self, descriptor: int, feed: SerialFeed, lost: Lost) -> None:
        """Read a descriptor, which does not block, into a feed.

        Args:
            descriptor: of an open port; unregister it before it is closed.
            feed: where the bytes go.
            lost: called on the loop, once, with the reason, when the port can be read no more.
        """
        self._loop = asyncio.get_running_loop()
        epoll = self._epoll or self._start()
        with self._lock:
            self._ports[descriptor] = _Port(feed, lost)
            epoll.register(descriptor, select.EPOLLIN)

    def unregister(self, descriptor: int) -> None:
        """Read it no more; it may be closed when this returns."""
        with self._lock:
            port = self._ports.pop(descriptor, None)
            if port is not None and port.polled and self._epoll is not None:
                self._epoll.unregister(descriptor)
            last = not self._ports
        if last:
            self._stop()

    def resume(self, descriptor: int) -> None:
        """There is room in a feed again that was full."""
        port = self._ports.get(descriptor)
        if port is None or port.polled or port.ended:
            return
        with self._lock:
            if self._epoll is not None:
                self._epoll.register(descriptor, select.EPOLLIN)
                port.polled = True

    def _start(self) -> select.epoll:
        self._epoll = epoll = select.epoll()
        self._stop_event = os.eventfd(0)
        epoll.register(self._stop_event, select.EPOLLIN)
        self._thread = threading.Thread(
            target=self._run, args=(epoll,), name="serial ports", daemon=True
        )
        self._thread.start()
        return epoll

    def _stop(self) -> None:
        if self._thread is None or self._epoll is None:
            return
        os.eventfd_write(self._stop_event, 1)
        self._thread.join()
        self._epoll.close()
        os.close(self._stop_event)
        self._thread = self._epoll = None

    def _run(self, epoll: select.epoll) -> None:
        budget = WakeBudget(_NAP_S, _BURST)
        while True:
            ready = epoll.poll()
            if any(descriptor == self._stop_event for descriptor, _ in ready):
                return
            woken: list[Callable[[], None]] = []
            with self._lock:
                busy = [self._read(descriptor, woken) for descriptor, _ in ready]
            if woken and not self._call_on_loop(woken):
                return
            nap_s = budget.nap_s(time.monotonic())
            if nap_s and not any(busy):
                time.sleep(nap_s)

    def _read(self, descriptor: int, woken: list[Callable[[], None]]) -> bool:
        """Take what a port has; whether it may have much more."""
        port = self._ports.get(descriptor)
        if port is None:  # unregistered since it was polled
            return False
        try:
            chunk = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            self._end(descriptor, port, str(error), woken)
            return False
        if not chunk:
            self._end(descriptor, port, "end of file", woken)
            return False
        if port.feed.put((self._now_ns(), chunk)):
            woken.append(port.feed.wake)
        if port.feed.full:
            self._leave_out(descriptor, port)
        return len(chunk) >= _BUSY_BYTES

    def _end(
        self, descriptor: int, port: _Port, reason: str, woken: list[Callable[[], None]]
    ) -> None:
        self._leave_out(descriptor, port)
        port.ended = True
        woken.append(lambda: port.lost(reason))

    def _leave_out(self, descriptor: int, port: _Port) -> None:
        assert self._epoll is not None
        self._epoll.unregister(descriptor)
        port.polled = False

    def _call_on_loop(self, calls: list[Callable[[], None]]) -> bool:
        assert self._loop is not None

        def run() -> None:
            for call in calls:
                call()

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop was closed under a thread that still reads
            return False
        return True


class _Port:
    """A port being read."""

    __slots__ = ("ended", "feed", "lost", "polled")

    def __init__(self, feed: SerialFeed, lost: Lost) -> None:
        self.feed = feed
        self.lost = lost
        self.polled = True
        self.ended = False
