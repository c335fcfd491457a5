"""What :class:`broker.link.MqttLink` is in real time, in virtual time: one persistent session.

It sends again what was not acknowledged, comes back with jittered backoff, and loses its memory in
a crash, as paho does. A user is told the same things by the same calls.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import numpy as np

from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from perfuse.link.timeline import Ending
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue
from perfuse.virtual.packets import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    Packet,
    PubAckPacket,
    PublishPacket,
    SubscribePacket,
    UnsubscribePacket,
)
from perfuse.virtual.path import Connection, Path

# Of paho: messages that were sent and not acknowledged, waits before dialling again, and the
# patience of a connect() into silence.
_WINDOW = 20
_FIRST_WAIT_S = 1.0
_LAST_WAIT_S = 60.0
_DIAL_LIMIT_S = 5.0


class LinkUser(Protocol):
    """What a link calls; :class:`broker.link.LinkUser` without asyncio."""

    def connected(self) -> None:
        """The broker has accepted us."""

    def disconnected(self) -> None:
        """The connection is gone; the link is trying again."""

    def received(self, topic: str, payload: bytes) -> None:
        """A message; it is acknowledged when this returns."""

    def published(self, token: str) -> None:
        """The broker has acknowledged a publication that had a token."""


class VirtualLink:
    """One client's session with the broker, over its path.

    Args:
        queue: the time.
        broker: what it connects to.
        path: over which link.
        client: its stable client id.
        will: what the broker publishes when it is lost.
        user: who is told.
        rng: of the backoff's jitter.
        keepalive_s: silence of 1.5 times this means that the connection is gone.
    """

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        path: Path,
        client: str,
        will: Publish,
        user: LinkUser,
        rng: np.random.Generator,
        keepalive_s: float = 60.0,
    ) -> None:
        self._queue = queue
        self._broker = broker
        self._path = path
        self._hello = ConnectPacket(client, will.topic, will.payload, will.retain)
        self._user = user
        self._rng = rng
        self._keepalive_s = keepalive_s
        self._connection: Connection | None = None
        self._accepted = False
        self._closed = False
        self._wait_s = _FIRST_WAIT_S
        self._next_number = 1
        self._waiting: deque[tuple[PublishPacket, str]] = deque()
        self._in_flight: dict[int, tuple[PublishPacket, str]] = {}

    def open(self) -> None:
        """Begin to connect."""
        self._dial()

    def close(self) -> None:
        """Say farewell; the will is not sent."""
        self._closed = True
        if self._connection is not None and self._accepted:
            self._connection.up.send(DisconnectPacket())
        self._connection = None

    def crash(self, ending: Ending = Ending.RESET) -> None:
        """The process dies (RESET: its kernel says so) or its power goes (SILENT)."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            lost = connection.broker_lost
            self._path.release(connection)
            lost(ending)

    def apply(self, effect: Publish | Subscribe | Unsubscribe) -> None:
        """Do what a core asked for."""
        if isinstance(effect, Publish):
            number, self._next_number = self._next_number, self._next_number % 65_535 + 1
            packet = PublishPacket(number, effect.topic, effect.payload, effect.retain)
            self._waiting.append((packet, effect.token))
            self._fill()
        elif self._connection is not None and self._accepted:
            # Without a connection it is lost, as with paho: a core subscribes when it is connected.
            kind = SubscribePacket if isinstance(effect, Subscribe) else UnsubscribePacket
            self._connection.up.send(kind(effect.topic_filter))

    def _dial(self) -> None:
        if self._closed:
            return
        if self._path.is_down is Ending.SILENT:
            self._queue.after(_DIAL_LIMIT_S, self._retry)
        elif self._path.is_down is not None or not self._broker.up:
            self._retry()
        else:
            self._queue.after(self._path.round_trip_s, self._shake_hands)

    def _shake_hands(self) -> None:
        if self._closed:
            return
        if self._path.is_down is not None or not self._broker.up:
            self._retry()
            return
        connection = self._path.connect()
        self._connection = connection
        self._accepted = False
        connection.client_lost = lambda ending: self._lost(connection, ending)
        connection.down.take = lambda packet: self._take(connection, packet)
        self._broker.accept(connection)
        connection.up.send(self._hello)

    def _retry(self) -> None:
        wait_s = self._wait_s * (0.5 + self._rng.random())
        self._wait_s = min(2 * self._wait_s, _LAST_WAIT_S)
        self._queue.after(wait_s, self._dial)

    def _lost(self, connection: Connection, ending: Ending) -> None:
        wait_s = 0.0 if ending is Ending.RESET else 1.5 * self._keepalive_s
        self._queue.after(wait_s, lambda: self._noticed(connection))

    def _noticed(self, connection: Connection) -> None:
        if self._connection is not connection:
            return
        self._path.release(connection)
        self._connection = None
        if self._accepted:
            self._accepted = False
            self._user.disconnected()
        self._retry()

    def _take(self, connection: Connection, packet: Packet) -> None:
        match packet:
            case ConnAckPacket():
                self._welcome(connection)
            case PublishPacket():
                self._user.received(packet.topic, packet.payload)
                connection.up.send(PubAckPacket(packet.number))
            case PubAckPacket(number):
                self._acknowledged(number)
            case _:
                pass

    def _welcome(self, connection: Connection) -> None:
        self._accepted = True
        self._wait_s = _FIRST_WAIT_S
        for number, (packet, token) in self._in_flight.items():
            again = PublishPacket(
                number, packet.topic, packet.payload, packet.retain, duplicate=True
            )
            self._in_flight[number] = (again, token)
            connection.up.send(again)
        self._fill()
        self._user.connected()

    def _acknowledged(self, number: int) -> None:
        found = self._in_flight.pop(number, None)
        if found is not None and found[1]:
            self._user.published(found[1])
        self._fill()

    def _fill(self) -> None:
        while self._accepted and self._waiting and len(self._in_flight) < _WINDOW:
            packet, token = self._waiting.popleft()
            self._in_flight[packet.number] = (packet, token)
            if self._connection is not None:
                self._connection.up.send(packet)
