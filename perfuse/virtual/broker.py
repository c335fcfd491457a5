"""An MQTT 3.1.1 broker in virtual time: persistent sessions, QoS 1, retained messages, wills.

It acknowledges from memory, as Mosquitto does, and a crash takes it back to its last snapshot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from broker.protocol.loopback import matches
from perfuse.link.timeline import Ending
from perfuse.virtual.event_queue import EventQueue
from perfuse.virtual.faults import Faults, NoFaults
from perfuse.virtual.packets import (
    AcknowledgePacket,
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    Packet,
    PubAckPacket,
    PublishPacket,
    SubscribePacket,
    UnsubscribePacket,
)
from perfuse.virtual.path import Connection
from perfuse.virtual.subscribers import Subscribers, is_exact

# Mosquitto's max_inflight_messages: sent to one client and not acknowledged yet.
_WINDOW = 20


@dataclass(slots=True)
class _Session:
    """What the broker keeps for a client, whether that is there or not."""

    filters: set[str] = field(default_factory=set)
    waiting: deque[PublishPacket] = field(default_factory=deque)
    in_flight: dict[int, PublishPacket] = field(default_factory=dict)
    next_number: int = 1

    def copy(self) -> _Session:
        """Return what a snapshot writes; packets never change."""
        return replace(
            self,
            filters=set(self.filters),
            waiting=deque(self.waiting),
            in_flight=dict(self.in_flight),
        )


@dataclass(slots=True)
class _Presence:
    """The connection that a client is using, and its will."""

    connection: Connection
    will: ConnectPacket


@dataclass(slots=True)
class _Memory:
    """What a snapshot holds."""

    sessions: dict[str, _Session] = field(default_factory=dict)
    retained: dict[str, bytes] = field(default_factory=dict)

    def copy(self) -> _Memory:
        """Return another one with the same in it."""
        sessions = {client: session.copy() for client, session in self.sessions.items()}
        return _Memory(sessions, dict(self.retained))

    def subscribers(self) -> Subscribers:
        """Return who has which filter."""
        found = Subscribers()
        for client, session in self.sessions.items():
            for topic_filter in sorted(session.filters):
                found.add(client, topic_filter)
        return found


class VirtualBroker:
    """One broker. ``up`` says whether it takes connections.

    Args:
        queue: the time.
        faults: what happens to messages on their way through.
        keepalive_s: of every client; a silent connection is given up after 1.5 times that
            (MQTT 3.1.1, section 3.1.2.10).
    """

    def __init__(
        self, queue: EventQueue, faults: Faults | None = None, keepalive_s: float = 60.0
    ) -> None:
        self._queue = queue
        self._faults = faults or NoFaults()
        self._keepalive_s = keepalive_s
        self._memory = _Memory()
        self._saved = _Memory()
        self._subscribers = Subscribers()
        self._here: dict[str, _Presence] = {}
        self._not_before: dict[tuple[str, str], float] = {}
        self._late: dict[tuple[str, str], deque[bytes]] = {}
        self.up = True

    def accept(self, connection: Connection) -> None:
        """Serve a connection, which begins with a CONNECT."""
        connection.up.take = lambda packet: self._first(connection, packet)

    def snapshot(self) -> None:
        """Write everything to disk, as Mosquitto's autosave does."""
        self._saved = self._memory.copy()

    def crash(self, *, forgets: bool = True) -> None:
        """End at once; connections are reset, and with ``forgets`` memory is the last snapshot's.

        Without ``forgets`` it is a broker that writes before it acknowledges.
        """
        self.up = False
        here, self._here = self._here, {}
        for presence in here.values():
            lost = presence.connection.client_lost
            presence.connection.close()
            lost(Ending.RESET)
        if forgets:
            self._memory = self._saved.copy()
            self._subscribers = self._memory.subscribers()

    def restart(self) -> None:
        """Take connections again."""
        self.up = True

    def _first(self, connection: Connection, packet: Packet) -> None:
        if not isinstance(packet, ConnectPacket):
            return
        self._take_over(packet.client)
        client = packet.client
        self._here[client] = _Presence(connection, packet)
        connection.up.take = lambda later: self._take(client, connection, later)
        connection.broker_lost = lambda ending: self._lost(client, connection, ending)
        connection.down.send(ConnAckPacket())
        session = self._memory.sessions.setdefault(client, _Session())
        for unacknowledged in session.in_flight.values():
            connection.down.send(_again(unacknowledged))
        self._fill(client)

    def _take_over(self, client: str) -> None:
        """A second connection of one client ends the first (MQTT 3.1.1, section 3.1.4)."""
        old = self._here.get(client)
        if old is not None:
            lost = old.connection.client_lost
            old.connection.close()
            self._gone(client, old)
            lost(Ending.RESET)

    def _take(self, client: str, connection: Connection, packet: Packet) -> None:
        match packet:
            case PublishPacket():
                connection.down.send(PubAckPacket(packet.number))
                self._route(packet.topic, packet.payload, retain=packet.retain)
            case PubAckPacket(number):
                self._memory.sessions[client].in_flight.pop(number, None)
                self._fill(client)
            case SubscribePacket(topic_filter):
                connection.down.send(AcknowledgePacket(3))
                self._subscribe(client, topic_filter)
            case UnsubscribePacket(topic_filter):
                connection.down.send(AcknowledgePacket(2))
                self._unsubscribe(client, topic_filter)
            case DisconnectPacket():
                self._here.pop(client, None)
                connection.close()
            case _:
                pass

    def _lost(self, client: str, connection: Connection, ending: Ending) -> None:
        wait_s = 0.0 if ending is Ending.RESET else 1.5 * self._keepalive_s
        self._queue.after(wait_s, lambda: self._noticed(client, connection))

    def _noticed(self, client: str, connection: Connection) -> None:
        presence = self._here.get(client)
        if presence is not None and presence.connection is connection:
            self._gone(client, presence)

    def _gone(self, client: str, presence: _Presence) -> None:
        del self._here[client]
        will = presence.will
        if will.will_topic:
            self._route(will.will_topic, will.will_payload, retain=will.will_retain)

    def _subscribe(self, client: str, topic_filter: str) -> None:
        self._memory.sessions[client].filters.add(topic_filter)
        self._subscribers.add(client, topic_filter)
        retained = self._memory.retained
        found = [topic_filter] if is_exact(topic_filter) else list(retained)
        for topic in found:
            if topic in retained and matches(topic_filter, topic):
                self._give(client, topic, retained[topic])

    def _unsubscribe(self, client: str, topic_filter: str) -> None:
        self._memory.sessions[client].filters.discard(topic_filter)
        self._subscribers.remove(client, topic_filter)

    def _route(self, topic: str, payload: bytes, *, retain: bool) -> None:
        if retain and payload:
            self._memory.retained[topic] = payload
        elif retain:
            self._memory.retained.pop(topic, None)
        for client in self._subscribers.of(topic):
            self._give(client, topic, payload)

    def _give(self, client: str, topic: str, payload: bytes) -> None:
        """Queue every copy for a client, not before what the topic has for it already."""
        key = (client, topic)
        late = self._late.setdefault(key, deque())
        for late_s in self._faults.copies(client, topic):
            due_s = max(self._queue.now_s + late_s, self._not_before.get(key, 0.0))
            if due_s <= self._queue.now_s and not late:
                self._enqueue(client, topic, payload)
                continue
            self._not_before[key] = due_s
            late.append(payload)
            # Whatever the queue does with ties, a topic keeps its order.
            self._queue.at(due_s, lambda: self._enqueue(client, topic, late.popleft()))

    def _enqueue(self, client: str, topic: str, payload: bytes) -> None:
        session = self._memory.sessions.get(client)
        if session is None:  # a crash has forgotten it meanwhile
            return
        number, session.next_number = session.next_number, session.next_number % 65_535 + 1
        session.waiting.append(PublishPacket(number, topic, payload))
        self._fill(client)

    def _fill(self, client: str) -> None:
        presence, session = self._here.get(client), self._memory.sessions[client]
        while presence is not None and session.waiting and len(session.in_flight) < _WINDOW:
            packet = session.waiting.popleft()
            session.in_flight[packet.number] = packet
            presence.connection.down.send(packet)


def _again(packet: PublishPacket) -> PublishPacket:
    return PublishPacket(packet.number, packet.topic, packet.payload, packet.retain, duplicate=True)
