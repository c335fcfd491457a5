"""A TCP proxy that is a link: it plays a profile's timeline, in real time or faster.

What it does to a connection depends on the profile and the seed alone: outages and stalls come from
one seeded timeline, jitter from one generator per connection, in the order in which they come.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from perfuse.link.connection import Connection, End
from perfuse.link.profiles import LinkProfile
from perfuse.link.timeline import Ending, EventKind, LinkEvent, Outage, Timeline
from perfuse.link.wire import Traffic, Wire


class LinkError(Exception):
    """The proxy cannot listen.

    Attributes:
        address: where.
        reason: why not.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address}: {reason}")
        self.address = address
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Route:
    """Where a proxy listens, and where it leads. Port 0 takes any that is free."""

    to_host: str
    to_port: int
    listen_host: str = "127.0.0.1"
    listen_port: int = 0


class LinkProxy:
    """One gateway's link. Must be used on one event loop.

    Args:
        profile: what kind of link.
        seed: of its timeline and its jitter.
        route: between what.
        speed: the link's seconds in a real second. Rates rise and delays shrink with it.
        said: called with each outage as it begins and ends.

    Attributes:
        up, down: bytes that the link carried from the gateway and to it.
    """

    def __init__(
        self,
        profile: LinkProfile,
        seed: int | tuple[int, ...],
        route: Route,
        *,
        speed: float = 1.0,
        said: Callable[[LinkEvent], None] = lambda event: None,
    ) -> None:
        timeline_rng, self._rng = np.random.default_rng(seed).spawn(2)
        self._profile = profile
        self._timeline = Timeline(profile, timeline_rng)
        self._route = route
        self._speed = speed
        self._said = said
        self._began = 0.0
        self._is_down: Ending | None = None
        self._is_up = asyncio.Event()
        self._is_up.set()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.up = Traffic()
        self.down = Traffic()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._route.listen_port if self._server is None else _port_of(self._server)

    @property
    def is_up(self) -> bool:
        """Whether no outage is under way."""
        return self._is_up.is_set()

    @property
    def now_s(self) -> float:
        """The link's time: 0 when it was opened."""
        return (time.monotonic() - self._began) * self._speed

    async def open(self) -> None:
        """Listen, and begin the timeline.

        Raises:
            LinkError: the address cannot be listened on.
        """
        host, port = self._route.listen_host, self._route.listen_port
        self._began = time.monotonic()
        try:
            self._server = await asyncio.start_server(self._accept, host, port)
        except OSError as error:
            raise LinkError(f"{host}:{port}", error.strerror or str(error)) from error
        self._run(self._play(), "timeline")

    async def close(self) -> None:
        """Stop, resetting what is connected."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def go_down(self, ending: Ending) -> None:
        """Begin an outage now, until :meth:`come_up`."""
        self._is_down = ending
        self._is_up.clear()
        for connection in tuple(self._connections):
            connection.cut(ending)
        self._connections.clear()

    def come_up(self) -> None:
        """End an outage now."""
        self._is_down = None
        self._is_up.set()

    async def _play(self) -> None:
        at_s = 0.0
        while (outage := self._timeline.next_outage(at_s)) is not None:
            await self._until(outage.start_s)
            self.go_down(outage.ending)
            self._say(outage)
            await self._until(outage.end_s)
            self.come_up()
            self._said(LinkEvent(outage.end_s, EventKind.UP))
            at_s = outage.end_s

    def _say(self, outage: Outage) -> None:
        length_s = outage.end_s - outage.start_s
        self._said(LinkEvent(outage.start_s, EventKind.DOWN, length_s, outage.ending))

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, (at_s - self.now_s) / self._speed))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._run(self._connect(End(reader, writer)), "connection")

    async def _connect(self, gateway: End) -> None:
        # Drawn before any wait: which connection gets which jitter depends on their order alone.
        wires = self._wires()
        try:
            if self._is_down is Ending.RESET:
                return
            # A SYN into silence is sent again until the link is back.
            await self._is_up.wait()
            try:
                reader, writer = await asyncio.open_connection(
                    self._route.to_host, self._route.to_port
                )
            except OSError:
                return
            connection = Connection(
                gateway, End(reader, writer), *wires, lambda: self.now_s, self._speed
            )
            self._connections.add(connection)
            try:
                await connection.run()
            finally:
                self._connections.discard(connection)
                connection.reset()
        finally:
            gateway.reset()

    def _wires(self) -> tuple[Wire, Wire]:
        profile, timeline = self._profile, self._timeline
        up_rng, down_rng = self._rng.spawn(2)
        delay = (profile.delay_s, profile.jitter_s, timeline)
        return (
            Wire(profile.up_bits_per_s, *delay, up_rng, self.up),
            Wire(profile.down_bits_per_s, *delay, down_rng, self.down),
        )

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def opened(proxy: LinkProxy) -> AsyncIterator[LinkProxy]:
    """Open a proxy for as long as a block runs."""
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()


def _port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
