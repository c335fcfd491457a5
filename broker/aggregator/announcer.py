"""What the aggregator says to all gateways, retained: models, plans, and that it is there."""

from __future__ import annotations

from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.protocol import sealed, wire
from broker.protocol.effects import Publish
from broker.protocol.messages import (
    AggregatorPresence,
    ModelAnnouncement,
    Plan,
    RoundAbandonment,
)
from broker.protocol.signing import Signer
from broker.protocol.topics import Topics
from broker.protocol.transfer import cut, refer


class Announcer:
    """Writes retained messages; ``birth`` numbers the run of the process that says them."""

    def __init__(
        self,
        settings: AggregatorSettings,
        artifact: bytes,
        log: RoundLog,
        signer: Signer,
        birth: int,
    ) -> None:
        self._signer = signer
        self._topics = Topics(settings.population)
        self._chunk_bytes = settings.chunk_bytes
        self._artifact = artifact
        self._log = log
        self._birth = birth

    def model(self, version: int) -> list[Publish]:
        """Publish a version's chunks, and then that there is this version."""
        blob = self._log.blob(version)
        reference = refer(blob, self._chunk_bytes)
        messages = [
            Publish(
                self._topics.blob_chunk(chunk.digest, chunk.index), wire.encode(chunk), retain=True
            )
            for chunk in cut(blob, reference, range(reference.chunks))
        ]
        epoch = self._log.next_counter("epoch")
        announcement = ModelAnnouncement(
            epoch, version, self._artifact, reference, *self._log.makers(version)
        )
        return [*messages, self._retained(self._topics.model, announcement)]

    def forget(self, version: int) -> list[Publish]:
        """Clear the retained chunks of a version that no plan needs any more."""
        if version < 0:
            return []
        reference = refer(self._log.blob(version), self._chunk_bytes)
        return [
            Publish(self._topics.blob_chunk(reference.digest, index), b"", retain=True)
            for index in range(reference.chunks)
        ]

    def plan(self, plan: Plan) -> list[Publish]:
        """Publish what a cohort is asked."""
        return [self._retained(self._topics.plan, plan)]

    def abandoned(self, plan: Plan, reported: int, retry_after_s: float) -> list[Publish]:
        """Say that a round has missed its minimum."""
        epoch = self._log.next_counter("epoch")
        message = RoundAbandonment(epoch, plan.plan, reported, retry_after_s)
        topic = self._topics.round
        return [Publish(topic, sealed.seal(message, topic, self._signer))]

    def presence(self, *, online: bool, pace_s: float = 0.0) -> Publish:
        """Say whether the aggregator is there, and over how long gateways should spread."""
        message = AggregatorPresence(self._birth, self._signer.public, online, pace_s)
        return self._retained(self._topics.aggregator, message)

    def _retained(self, topic: str, message: object) -> Publish:
        return Publish(topic, sealed.seal(message, topic, self._signer), retain=True)
