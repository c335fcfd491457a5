"""An MQTT broker without I/O: retained messages, filters and QoS 1 order, for many in one process.

It is to the cores what a broker is to the services, so that a simulation runs the same code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from broker.protocol.effects import Publish, Subscribe, Unsubscribe

Deliver = Callable[[str, bytes], None]
Published = Callable[[str], None]


class LoopbackBroker:
    """Delivers what is published, in order, when :meth:`pump` is called."""

    def __init__(self) -> None:
        self._clients: dict[str, tuple[Deliver, Published]] = {}
        self._filters: dict[str, set[str]] = {}
        self._retained: dict[str, bytes] = {}
        self._queue: deque[Callable[[], None]] = deque()
        self.sent_bytes: dict[str, int] = {}
        self.received_bytes: dict[str, int] = {}

    def connect(self, client: str, deliver: Deliver, published: Published) -> None:
        """Add a client, or give a known one its new callbacks; its filters stay."""
        self._clients[client] = (deliver, published)
        self._filters.setdefault(client, set())
        self.sent_bytes.setdefault(client, 0)
        self.received_bytes.setdefault(client, 0)

    def apply(self, client: str, effect: Publish | Subscribe | Unsubscribe) -> None:
        """Do what a core asked for."""
        if isinstance(effect, Publish):
            self._publish(client, effect)
        elif isinstance(effect, Subscribe):
            self._filters[client].add(effect.topic_filter)
            for topic, payload in list(self._retained.items()):
                if matches(effect.topic_filter, topic):
                    self._deliver(client, topic, payload)
        else:
            self._filters[client].discard(effect.topic_filter)

    def pump(self) -> None:
        """Deliver until nothing is under way."""
        while self._queue:
            self._queue.popleft()()

    def _publish(self, client: str, message: Publish) -> None:
        self.sent_bytes[client] += len(message.payload)
        if message.retain and message.payload:
            self._retained[message.topic] = message.payload
        elif message.retain:
            self._retained.pop(message.topic, None)
        for other, filters in self._filters.items():
            if any(matches(pattern, message.topic) for pattern in filters):
                self._deliver(other, message.topic, message.payload)
        if message.token:
            self._queue.append(lambda: self._clients[client][1](message.token))

    def _deliver(self, client: str, topic: str, payload: bytes) -> None:
        self.received_bytes[client] += len(payload)
        self._queue.append(lambda: self._clients[client][0](topic, payload))


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter with ``+`` and a last ``#`` matches (MQTT 3.1.1, section 4.7)."""
    wanted, found = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, found = wanted[:-1], found[: len(wanted) - 1]
    return len(wanted) == len(found) and all(
        w in ("+", f) for w, f in zip(wanted, found, strict=True)
    )
