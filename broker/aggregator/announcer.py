"""What the aggregator says to all gateways, retained: models, plans, and that it is there."""

from __future__ import annotations

from broker.aggregator.model_steps import RETAINED_STEPS
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
        self._named: tuple[int | None, frozenset[bytes]] = (None, frozenset())

    def next_epoch(self) -> int:
        """Write down that there is a next thing to say.

        Before a round ends, for nothing may be left to write then: a disk that is full would keep
        what has happened from being said.
        """
        return self._log.next_counter("epoch")

    def model(self, version: int, epoch: int) -> list[Publish]:
        """Publish a version's chunks and those of the steps to it, and then that it is there."""
        blob, steps = self._log.blob(version), self._log.steps(version)
        messages = self._chunks(blob)
        for step in steps:
            messages += self._chunks(step.delta)
        announcement = ModelAnnouncement(
            epoch,
            version,
            self._artifact,
            refer(blob, self._chunk_bytes),
            *self._log.makers(version),
            deltas=tuple(step.reference(self._chunk_bytes) for step in steps),
        )
        return [*messages, self._retained(self._topics.model, announcement)]

    def forget(self, newest: int) -> list[Publish]:
        """Clear the retained chunks that no plan needs any more, now that there is ``newest``."""
        messages = self._cleared(self._log.blob(newest - 2)) if newest >= 2 else []
        if (step := self._log.step(newest - RETAINED_STEPS)) is not None:
            messages += self._cleared(step.delta)
        return messages

    def named(self) -> frozenset[bytes]:
        """Return the digests of all that is not to be forgotten; nothing before the first model."""
        newest = self._log.latest_version()
        if newest is not None and newest != self._named[0]:
            kept = [v for v in self._log.versions() if v > newest - 2]
            blobs = [self._log.blob(version) for version in kept]
            steps = [self._log.step(newest - back) for back in range(RETAINED_STEPS)]
            blobs += [step.delta for step in steps if step is not None]
            self._named = newest, frozenset(refer(b, self._chunk_bytes).digest for b in blobs)
        return self._named[1]

    def plan(self, plan: Plan) -> list[Publish]:
        """Publish what a cohort is asked."""
        return [self._retained(self._topics.plan, plan)]

    def abandoned(
        self, plan: Plan, reported: int, retry_after_s: float, epoch: int
    ) -> list[Publish]:
        """Say that a round has missed its minimum; ``epoch`` as for a model."""
        message = RoundAbandonment(epoch, plan.plan, reported, retry_after_s)
        topic = self._topics.round
        return [Publish(topic, sealed.seal(message, topic, self._signer))]

    def presence(self, *, online: bool, pace_s: float = 0.0) -> Publish:
        """Say whether the aggregator is there, and over how long gateways should spread."""
        message = AggregatorPresence(self._birth, self._signer.public, online, pace_s)
        return self._retained(self._topics.aggregator, message)

    def _chunks(self, blob: bytes) -> list[Publish]:
        reference = refer(blob, self._chunk_bytes)
        return [
            Publish(
                self._topics.blob_chunk(chunk.digest, chunk.index), wire.encode(chunk), retain=True
            )
            for chunk in cut(blob, reference, range(reference.chunks))
        ]

    def _cleared(self, blob: bytes) -> list[Publish]:
        reference = refer(blob, self._chunk_bytes)
        return [
            Publish(self._topics.blob_chunk(reference.digest, index), b"", retain=True)
            for index in range(reference.chunks)
        ]

    def _retained(self, topic: str, message: object) -> Publish:
        return Publish(topic, sealed.seal(message, topic, self._signer), retain=True)
