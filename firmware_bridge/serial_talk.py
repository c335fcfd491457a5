"""What a gateway says to a serial sensor: start, keep alive, stop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from firmware_bridge.profile import SerialLink

_logger = logging.getLogger(__name__)

# A board that restarts when its port is opened is deaf for a second or two.
_SAY_AGAIN_S = 3.0


class SerialTalk:
    """Speaks for one profile; a profile whose sensors always send says nothing.

    Args:
        link: whose commands are sent; None for a sensor that is told nothing.
    """

    def __init__(self, link: SerialLink | None) -> None:
        self._link = link

    async def run(self, descriptor: int, heard: Callable[[], bool]) -> None:
        """Start the sensor and keep it alive until cancelled; then stop it.

        Args:
            descriptor: of the open port, in non-blocking mode.
            heard: whether the sensor has sent anything since it was last asked.
        """
        link = self._link
        if link is None or not link.start:
            return
        try:
            say(descriptor, link.start)
            while True:
                await asyncio.sleep(link.keep_alive_s or _SAY_AGAIN_S)
                # A sensor that does not send did not hear, or was switched off and on again.
                say(descriptor, link.keep_alive if heard() else link.start)
        finally:
            say(descriptor, link.stop)


def say(descriptor: int, command: bytes) -> None:
    """Write a command of a few bytes; a line that takes none is one that is about to be lost."""
    if not command:
        return
    try:
        os.write(descriptor, command)
    except OSError as error:
        _logger.debug("a command was not sent: %s", error)
