"""One scan for all the sensors of an adapter that are being looked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from firmware_bridge.backoff import Backoff
from firmware_bridge.ble.radio import Advertisement, Radio
from firmware_bridge.errors import LinkError

_logger = logging.getLogger(__name__)

Wanted = Callable[[Advertisement], bool]


class SharedScanner:
    """Scans while somebody waits, and begins anew where the scan failed or may be stuck.

    Args:
        radio: the adapter.
        backoff: waits between two attempts to scan.
        stuck_s: a scan that heard nobody for so long is begun anew.
    """

    def __init__(self, radio: Radio, backoff: Backoff, stuck_s: float) -> None:
        self._radio = radio
        self._backoff = backoff
        self._stuck_s = stuck_s
        self._waiters: dict[asyncio.Future[Advertisement], Wanted] = {}
        self._task: asyncio.Task[None] | None = None
        self._stirred = asyncio.Event()
        self._heard_any = False
        self._restart = False
        self._last_reason = ""

    async def find(self, wanted: Wanted) -> Advertisement:
        """The next advertisement that is wanted; never an old one."""
        waiter: asyncio.Future[Advertisement] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = wanted
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ble scan")
        try:
            return await waiter
        finally:
            del self._waiters[waiter]
            self._stirred.set()

    def restart(self) -> None:
        """The stack was lost: what scans now hears nobody any more."""
        self._restart = True
        self._stirred.set()

    async def close(self) -> None:
        """End the scan; returns when it is ended."""
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        try:
            while self._waiters:
                self._restart = False
                try:
                    async with self._radio.scanning(self._heard):
                        self._last_reason = ""
                        await self._until_done_or_stuck()
                except LinkError as error:
                    self._say_once(error)
                    await asyncio.sleep(self._backoff.next_s())
        finally:
            self._task = None

    async def _until_done_or_stuck(self) -> None:
        while self._waiters and not self._restart:
            self._stirred.clear()
            self._heard_any = False
            try:
                async with asyncio.timeout(self._stuck_s):
                    await self._stirred.wait()
            except TimeoutError:
                if not self._heard_any:
                    return

    def _heard(self, found: Advertisement) -> None:
        self._heard_any = True
        self._backoff.reset()
        for waiter, wanted in self._waiters.items():
            # One peripheral is one sensor: the first that waits gets it.
            if not waiter.done() and wanted(found):
                waiter.set_result(found)
                return

    def _say_once(self, error: LinkError) -> None:
        if error.reason != self._last_reason:
            _logger.warning("cannot scan, trying again: %s", error.reason)
            self._last_reason = error.reason
