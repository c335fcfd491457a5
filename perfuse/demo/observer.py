"""What the demo's screen knows: presence and models from the broker, without being a gateway."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from broker.protocol import sealed, wire
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Chunk, GatewayPresence, ModelAnnouncement
from broker.protocol.model_blob import unpack_model
from broker.protocol.topics import Topics
from broker.protocol.transfer import Assembly
from edge_agent.effects import Model

_LOG = logging.getLogger(__name__)
# Versions come faster than they are looked at; older chunks than these are of no use.
_KEPT_BLOBS = 8

Effect = Publish | Subscribe | Unsubscribe


@dataclass(slots=True)
class _Traffic:
    """Bytes of one gateway over all its births."""

    births: dict[int, tuple[int, int]] = field(default_factory=dict)


class Observer:
    """Listens to a population without being part of it, and believes what it hears. Sans-I/O.

    Args:
        population: whose messages.
        parameters: P of the population's artifact.
        seen: called with each new model version and its announcement, in order.
    """

    def __init__(
        self,
        population: str,
        parameters: int,
        seen: Callable[[ModelAnnouncement, Model], None],
    ) -> None:
        self.topics = Topics(population)
        self._parameters = parameters
        self._seen = seen
        self._chunks: dict[bytes, list[Chunk]] = {}
        self._announced: ModelAnnouncement | None = None
        self._version = -1
        self._traffic: dict[str, _Traffic] = {}
        self.gateways: dict[str, GatewayPresence] = {}
        self.retained: set[str] = {self.topics.plan, self.topics.aggregator}

    @property
    def uplink_bytes(self) -> int:
        """MQTT payload bytes that the gateways have sent, as they last said."""
        return sum(s for t in self._traffic.values() for _, s in t.births.values())

    @property
    def downlink_bytes(self) -> int:
        """MQTT payload bytes that the gateways have received, as they last said."""
        return sum(r for t in self._traffic.values() for r, _ in t.births.values())

    def subscriptions(self) -> list[Effect]:
        """Return what to subscribe to after connecting."""
        topics = (f"{self.topics.root}/blob/+/+", self.topics.model, self.topics.all_presence)
        return [Subscribe(topic) for topic in topics]

    def receive(self, topic: str, payload: bytes) -> None:
        """Take one message."""
        if payload:
            self.retained.add(topic)
        try:
            if topic == self.topics.model and payload:
                self._announced = sealed.peek(payload, ModelAnnouncement)
            elif topic.endswith("/presence") and payload:
                self._on_presence(sealed.peek(payload, GatewayPresence))
            elif payload:
                self._on_chunk(wire.decode(payload, Chunk))
            self._look()
        except RemoteProtocolError as error:
            _LOG.warning("dropped a message on %s: %s", topic, error)

    def _on_presence(self, presence: GatewayPresence) -> None:
        self.gateways[presence.gateway] = presence
        traffic = self._traffic.setdefault(presence.gateway, _Traffic())
        known = traffic.births.get(presence.birth, (0, 0))
        # The will was written at the start and knows of no bytes.
        received = max(known[0], presence.received_bytes)
        traffic.births[presence.birth] = (received, max(known[1], presence.sent_bytes))

    def _on_chunk(self, chunk: Chunk) -> None:
        self._chunks.setdefault(chunk.digest, []).append(chunk)
        while len(self._chunks) > _KEPT_BLOBS:
            del self._chunks[next(iter(self._chunks))]

    def _look(self) -> None:
        announced = self._announced
        if announced is None or announced.version <= self._version:
            return
        assembly = Assembly(announced.model)
        for chunk in self._chunks.get(announced.model.digest, ()):
            assembly.add(chunk)
        if not assembly.complete:
            return
        self._version = announced.version
        model = unpack_model(assembly.blob(), announced.artifact, self._parameters)
        self._seen(announced, Model(announced.model.digest, *model))
