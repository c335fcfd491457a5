"""A simulated serial sensor: a pseudo-terminal that sends the frames of a recording.

Linux: whether somebody has the port open is seen by the master's hang-up, and that a reader has
emptied its input, as pyserial does on opening, by the master's packet mode (ioctl_tty(2), TIOCPKT).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import struct
import termios
import tty
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from firmware_bridge.recording_frames import TimedFrame
from firmware_bridge.replay_pace import ReplayPace
from firmware_bridge.start_switch import StartSwitch

# Frames that are due together go out in one write of about what a line discipline holds.
_WRITE_BYTES = 4096
_LOOK_FOR_READER_S = 0.02
# A reader that opens a port empties its input a moment later, and what was sent before is lost. It
# is looked for so often; counted and not timed, for a machine that stalls stalls both sides.
_SETTLE_LOOKS = 200
_SETTLE_S = 0.005
_DATA = bytes((termios.TIOCPKT_DATA,))


class PtyReplay:
    """Sends frames through a pty at their time, and never loses a byte of them.

    Nothing is sent while nobody has the port open, or before a sensor that waits to be started is
    told to; the recording then stands still. A reader that is slower than the replay slows it down.
    Many run in one event loop. The port exists from construction until ``close``; closing it is
    pulling the plug, and what was not read is lost.

    Args:
        frames: such as ``segments_to_frames(session)``, with faults if wanted; endless if looped.
        speed: 1 is real time, ``math.inf`` as fast as it is read.
        link: a symbolic link to put at a stable path, as udev does; removed by ``close``.
        switch: what the sensor waits for; one that always sends when left out.

    Raises:
        OSError: no pty is to be had, or the link cannot be made.
    """

    def __init__(
        self,
        frames: Iterable[TimedFrame],
        *,
        speed: float = 1.0,
        link: Path | None = None,
        switch: StartSwitch | None = None,
    ) -> None:
        self._frames = frames
        self._switch = switch or StartSwitch()
        self._speed = speed
        self._link = link
        self._master, slave = os.openpty()
        try:
            # Before a reader sets it up itself: no echo, no translation of CR and LF.
            tty.setraw(slave)
            self._slave_path = os.ttyname(slave)
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)
        fcntl.ioctl(self._master, termios.TIOCPKT, struct.pack("i", 1))
        if link is not None:
            link.symlink_to(self._slave_path)
        self.finished = asyncio.Event()
        """Set when the last frame is written; its last bytes may yet wait for the reader."""

    @property
    def port(self) -> str:
        """The path for a reader to open."""
        return self._slave_path if self._link is None else str(self._link)

    async def run(self) -> None:
        """Send all frames; ends after the last one. Cancel it before ``close``."""
        loop = asyncio.get_running_loop()
        await self._reader()
        pace = ReplayPace(self._speed, loop.time())
        due = bytearray()
        for due_ns, frame in self._frames:
            delay_s = pace.delay_s(due_ns, loop.time())
            if due and (delay_s > 0 or len(due) >= _WRITE_BYTES):
                pace.hold(await self._write(due))
                due.clear()
                delay_s = pace.delay_s(due_ns, loop.time())
            if delay_s > 0:
                await asyncio.sleep(delay_s)
            due += frame
        await self._write(due)
        self.finished.set()

    async def reader_left(self) -> None:
        """Wait until nobody has the port open."""
        while self._is_open():
            self._input_was_emptied()
            await asyncio.sleep(_LOOK_FOR_READER_S)

    def close(self) -> None:
        """Pull the plug: the port is gone, and its link."""
        if self._master >= 0:
            if self._link is not None:
                self._link.unlink(missing_ok=True)
            os.close(self._master)
            self._master = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _write(self, data: bytearray) -> float:
        """Write all of it; the seconds that nobody had the port open."""
        held_s = 0.0
        written = 0
        while written < len(data):
            held_s += await self._reader()
            try:
                written += os.write(self._master, memoryview(data)[written:])
            except BlockingIOError:
                await self._writable()
        # A reader that keeps up must not keep the loop from its other tasks.
        await asyncio.sleep(0)
        return held_s

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(self._master, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(self._master)

    async def _reader(self) -> float:
        """Wait until somebody has the port open and wants frames; the seconds that it took."""
        if self._switch.listens:
            self._listen()
        if self._is_open() and self._switch.on:
            return 0.0
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await self._opened()
        while not self._switch.on:
            await asyncio.sleep(_LOOK_FOR_READER_S)
            self._listen()
            await self._opened()
        return loop.time() - began_s

    async def _opened(self) -> None:
        """Wait until somebody has the port open and has set it up."""
        if self._is_open():
            return
        # The kernel has no event for a hang-up that ends.
        while not self._is_open():
            self._input_was_emptied()
            await asyncio.sleep(_LOOK_FOR_READER_S)
        for _ in range(_SETTLE_LOOKS):
            if self._input_was_emptied():
                break
            await asyncio.sleep(_SETTLE_S)

    def _listen(self) -> None:
        """Take all that was said until now."""
        while self._is_open() and self._said():
            pass

    def _is_open(self) -> bool:
        poll = select.poll()
        poll.register(self._master, 0)
        return not poll.poll(0)

    def _input_was_emptied(self) -> bool:
        said = self._said()
        return bool(said and said[0] & termios.TIOCPKT_FLUSHREAD)

    def _said(self) -> bytes:
        """What the packet mode has to say, or a 0 and what a reader sent; empty for nothing."""
        try:
            said = os.read(self._master, 1024)
        except OSError:  # nothing to say, or nobody there
            return b""
        if said[:1] == _DATA:
            self._switch.hear(said[1:])
        return said
