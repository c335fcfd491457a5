"""A gateway's way to its broker in virtual time: connections over one link that comes and goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from perfuse.link.profiles import LinkProfile
from perfuse.link.timeline import Ending, Outage, Timeline
from perfuse.link.wire import Traffic, Wire
from perfuse.virtual.event_queue import EventQueue
from perfuse.virtual.packets import Packet, size_of

Take = Callable[[Packet], None]
Lost = Callable[[Ending], None]


class Channel:
    """One direction of one connection: in order, after the wire's time, until it is closed."""

    def __init__(self, queue: EventQueue, wire: Wire) -> None:
        self._queue = queue
        self._wire = wire
        self._under_way: deque[tuple[Packet, int]] = deque()
        self._open = True
        self.take: Take = lambda packet: None

    def send(self, packet: Packet) -> None:
        """Put a packet on the wire; nothing happens when the connection is closed."""
        if self._open:
            size = size_of(packet)
            self._under_way.append((packet, size))
            self._queue.at(self._wire.send(self._queue.now_s, size), self._arrive)

    def close(self) -> None:
        """Lose what is under way."""
        if self._open:
            self._open = False
            self._wire.cut(self._queue.now_s)
            self._under_way.clear()

    def _arrive(self) -> None:
        # Whatever the queue does with ties, a connection keeps its order.
        if self._under_way:
            packet, size = self._under_way.popleft()
            self._wire.arrived(size)
            self.take(packet)


class Connection:
    """A TCP connection: a channel each way, and who is told when it is gone.

    Attributes:
        up, down: from the client and to it; set ``take`` of each to receive.
        client_lost, broker_lost: called when that end learns that the connection is gone.
    """

    def __init__(self, up: Channel, down: Channel) -> None:
        self.up = up
        self.down = down
        self.client_lost: Lost = lambda ending: None
        self.broker_lost: Lost = lambda ending: None

    def close(self) -> None:
        """End it from either end; nobody is told anything."""
        self.client_lost = self.broker_lost = lambda ending: None
        self.up.close()
        self.down.close()

    def cut(self, ending: Ending) -> None:
        """The link is gone: both ends are told (RESET), or must find out (SILENT)."""
        self.up.close()
        self.down.close()
        client, broker = self.client_lost, self.broker_lost
        client(ending)
        broker(ending)


class Path:
    """One client's link. Without a profile it is perfect: no time, no loss.

    Args:
        queue: the time.
        profile: what kind of link, or ``None``.
        rng: of its timeline and jitter.

    Attributes:
        up, down: bytes that it carried from the client and to it.
    """

    def __init__(
        self, queue: EventQueue, profile: LinkProfile | None, rng: np.random.Generator
    ) -> None:
        self._queue = queue
        self._profile = profile
        timeline_rng, self._rng = rng.spawn(2)
        self._timeline = None if profile is None else Timeline(profile, timeline_rng)
        self._connections: list[Connection] = []
        self._down: Ending | None = None
        self.up = Traffic()
        self.down = Traffic()
        if self._timeline is not None:
            self._await_outage(self._timeline, 0.0)

    @property
    def is_down(self) -> Ending | None:
        """How the connections ended when the link went down; ``None`` while it is up."""
        return self._down

    @property
    def round_trip_s(self) -> float:
        """What a handshake of TCP takes."""
        return 0.0 if self._profile is None else 2 * self._profile.delay_s

    def connect(self) -> Connection:
        """Return a new connection; the caller has seen to it that the link is up."""
        profile = self._profile
        rates = (0.0, 0.0) if profile is None else (profile.up_bits_per_s, profile.down_bits_per_s)
        up, down = (
            Channel(self._queue, self._wire(rate, traffic))
            for rate, traffic in zip(rates, (self.up, self.down), strict=True)
        )
        connection = Connection(up, down)
        self._connections.append(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Close a connection."""
        connection.close()
        if connection in self._connections:
            self._connections.remove(connection)

    def go_down(self, ending: Ending) -> None:
        """Begin an outage now: the timeline's, or a fault that somebody ordered."""
        self._down = ending
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.cut(ending)

    def come_up(self) -> None:
        """End an outage now."""
        self._down = None

    def _wire(self, bits_per_s: float, traffic: Traffic) -> Wire:
        profile = self._profile
        (rng,) = self._rng.spawn(1)
        if profile is None:
            return Wire(0.0, 0.0, 0.0, None, rng, traffic)
        return Wire(bits_per_s, profile.delay_s, profile.jitter_s, self._timeline, rng, traffic)

    def _await_outage(self, timeline: Timeline, after_s: float) -> None:
        outage = timeline.next_outage(after_s)
        if outage is not None:
            self._queue.at(outage.start_s, lambda: self._begin(timeline, outage))

    def _begin(self, timeline: Timeline, outage: Outage) -> None:
        self.go_down(outage.ending)
        self._queue.at(outage.end_s, lambda: self._end(timeline, outage))

    def _end(self, timeline: Timeline, outage: Outage) -> None:
        self.come_up()
        self._await_outage(timeline, outage.end_s)
