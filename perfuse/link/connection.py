"""One TCP connection through a link that is emulated: two directions, and how it can end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from perfuse.link.timeline import Ending
from perfuse.link.wire import SEGMENT_BYTES, Wire

_READ_BYTES = 64 * 1024
# Sleeping for less than this is not worth the wake-up.
_GRAIN_S = 0.001
_LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class End:
    """One socket of a connection: the gateway's or the broker's."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """Close with RST: nothing more is sent, not even what was written already."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None and not self.writer.is_closing():
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self.writer.transport.abort()

    async def ignore(self) -> None:
        """Swallow what its peer sends, and answer nothing, until the peer gives up."""
        with contextlib.suppress(OSError):
            while await self.reader.read(_READ_BYTES):
                pass
        self.reset()


class Connection:
    """Carries bytes between two ends until one closes or the link is cut.

    Args:
        gateway, broker: the ends.
        up, down: the wires from the gateway and to it.
        now: the link's time, in seconds.
        speed: the link's seconds in a real one.
    """

    def __init__(
        self,
        gateway: End,
        broker: End,
        up: Wire,
        down: Wire,
        now: Callable[[], float],
        speed: float,
    ) -> None:
        self._gateway = gateway
        self._broker = broker
        self._now = now
        self._speed = speed
        self._wires = (up, down)
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def cut(self, ending: Ending) -> None:
        """The link is gone; what is under way is lost."""
        if not self._ended.done():
            self._ended.set_result(ending)

    async def run(self) -> None:
        """Carry until both ends have closed."""
        up, down = self._wires
        flows = [
            asyncio.create_task(self._flow(self._gateway, self._broker, up), name="up"),
            asyncio.create_task(self._flow(self._broker, self._gateway, down), name="down"),
        ]
        both = asyncio.create_task(_all_of(flows), name="both ways")
        try:
            await asyncio.wait((both, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*flows, both):
                task.cancel()
            await asyncio.gather(*flows, both, return_exceptions=True)
        if self._ended.done():
            for wire in self._wires:
                wire.cut(self._now())
            if self._ended.result() is Ending.SILENT:
                await asyncio.gather(self._gateway.ignore(), self._broker.ignore())
        self.reset()

    def reset(self) -> None:
        """Close both ends at once."""
        self._gateway.reset()
        self._broker.reset()

    async def _flow(self, source: End, sink: End, wire: Wire) -> None:
        """One direction: read at the wire's rate, write when it has arrived."""
        arriving: deque[tuple[float, bytes]] = deque()
        news = asyncio.Event()
        delivering = asyncio.create_task(self._deliver(sink, wire, arriving, news))
        try:
            while data := await source.reader.read(_READ_BYTES):
                for start in range(0, len(data), SEGMENT_BYTES):
                    piece = data[start : start + SEGMENT_BYTES]
                    arriving.append((wire.send(self._now(), len(piece)), piece))
                    news.set()
                    # The sender's TCP fills no wire further than this.
                    await self._until(wire.free_s)
            arriving.append((wire.send(self._now(), 0), b""))
            news.set()
            await delivering
        except OSError:
            # A reset travels as fast as we can; the other end must not wait for more.
            self.cut(Ending.RESET)
        finally:
            delivering.cancel()

    async def _deliver(
        self, sink: End, wire: Wire, arriving: deque[tuple[float, bytes]], news: asyncio.Event
    ) -> None:
        while True:
            while not arriving:
                news.clear()
                await news.wait()
            due_s, piece = arriving.popleft()
            await self._until(due_s)
            if not piece:
                with contextlib.suppress(OSError):
                    sink.writer.write_eof()
                return
            sink.writer.write(piece)
            wire.arrived(len(piece))
            try:
                await sink.writer.drain()
            except OSError:
                self.cut(Ending.RESET)
                return

    async def _until(self, due_s: float) -> None:
        wait_s = (due_s - self._now()) / self._speed
        if wait_s > _GRAIN_S:
            await asyncio.sleep(wait_s)


async def _all_of(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
