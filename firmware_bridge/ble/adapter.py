"""What the sensors of one Bluetooth adapter share: the scanner, the turn to connect, the watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import numpy as np

from firmware_bridge.backoff import Backoff
from firmware_bridge.ble.link_limits import LinkLimits
from firmware_bridge.ble.radio import Advertisement, Radio
from firmware_bridge.ble.shared_scanner import SharedScanner, Wanted

_logger = logging.getLogger(__name__)


class StackWatch(Protocol):
    """What notices that the Bluetooth stack went away under links that nobody ends."""

    async def run(self, lost: Callable[[], None]) -> None:
        """Call ``lost`` whenever the stack is gone, until cancelled."""


class Adapter:
    """One adapter; all the sensors that are read through it are given the same one.

    Args:
        radio: the adapter of the stack.
        watch: notices a stack that vanished; without one, only the links' own silence does.
        limits: how long what may take.
        rng: of the jitter; the operating system's unless given.
    """

    def __init__(
        self,
        radio: Radio,
        watch: StackWatch | None = None,
        *,
        limits: LinkLimits | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.radio = radio
        self.limits = limits if limits is not None else LinkLimits()
        self.turn = asyncio.Lock()
        """Held while connecting: adapters fail when asked for two connections at once."""
        self._watch = watch
        self._rng = rng if rng is not None else np.random.default_rng()
        self._scanner = SharedScanner(radio, self.backoff(), self.limits.scan_s)
        self._claimed: set[str] = set()
        self._listeners: set[Callable[[], None]] = set()
        self._watching: asyncio.Task[None] | None = None

    def backoff(self) -> Backoff:
        """A backoff of its own, for one user."""
        return Backoff(
            self._rng, floor_s=self.limits.backoff_floor_s, cap_s=self.limits.backoff_cap_s
        )

    @asynccontextmanager
    async def in_use(self, stack_lost: Callable[[], None]) -> AsyncIterator[None]:
        """Open for one sensor; the first one starts what is shared and the last one ends it.

        Args:
            stack_lost: called when every link of the adapter is gone without a word.
        """
        if not self._listeners and self._watch is not None:
            self._watching = asyncio.create_task(
                self._watch.run(self._stack_lost), name="ble stack watch"
            )
        self._listeners.add(stack_lost)
        try:
            yield
        finally:
            self._listeners.discard(stack_lost)
            if not self._listeners:
                await self._close()

    async def find(self, wanted: Wanted) -> Advertisement:
        """The next advertisement that is wanted and of no sensor that is connected or about to be.

        It is claimed for the caller until ``release``.
        """
        found = await self._scanner.find(
            lambda heard: heard.address not in self._claimed and wanted(heard)
        )
        self._claimed.add(found.address)
        return found

    def release(self, found: Advertisement) -> None:
        """The peripheral may be found again."""
        self._claimed.discard(found.address)

    def _stack_lost(self) -> None:
        _logger.warning("the Bluetooth stack is gone; connecting anew when it is back")
        self._scanner.restart()
        for listener in tuple(self._listeners):
            listener()

    async def _close(self) -> None:
        await self._scanner.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
