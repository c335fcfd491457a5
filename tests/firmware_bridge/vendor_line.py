"""A serial vendor sensor on a pty: it sends what it is given, and hears what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from pathlib import Path


class VendorLine:
    """A sensor that sends frames once somebody has its port open, and once it was started.

    Args:
        start: command that it waits for; it sends unasked where there is none.
        link: a stable path for the port.
    """

    def __init__(self, start: bytes = b"", link: Path | None = None) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        # Held open: a pty whose other end nobody has open answers with an error.
        self._slave = slave
        self._link = link
        if link is not None:
            link.symlink_to(self.port)
            self.port = os.fspath(link)
        self._start = start
        os.set_blocking(self._master, False)
        self.heard = b""

    async def until_started(self) -> None:
        """Wait for the start command."""
        async with asyncio.timeout(20):
            while self._start not in self.listen() or not self.heard:
                await asyncio.sleep(0.005)

    async def until_heard(self, command: bytes, times: int = 1) -> None:
        """Wait until a command was heard so often."""
        async with asyncio.timeout(20):
            while self.listen().count(command) < times:
                await asyncio.sleep(0.005)

    def listen(self) -> bytes:
        """All that was said to the sensor."""
        with contextlib.suppress(BlockingIOError):
            self.heard += os.read(self._master, 4096)
        return self.heard

    async def send(self, data: bytes) -> None:
        """Send all of it, however slowly it is read."""
        async with asyncio.timeout(20):
            while data:
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:
                    await asyncio.sleep(0.005)

    def unplug(self) -> None:
        """The adapter is gone, and its path."""
        if self._link is not None:
            self._link.unlink()
        os.close(self._slave)
        os.close(self._master)
