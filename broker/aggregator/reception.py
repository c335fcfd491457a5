"""Answers what gateways offer: what is missing of it, or a receipt once it is durable."""

from __future__ import annotations

from broker.aggregator.events import UpdateAccepted, UpdateRefused
from broker.aggregator.intake import Intake
from broker.aggregator.open_round import OpenRound
from broker.aggregator.round_log import RoundLog
from broker.protocol import sealed
from broker.protocol.effects import Publish
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Chunk, Receipt, ReceiptStatus, UpdateOffer
from broker.protocol.signing import Signer
from broker.protocol.topics import Topics

Effect = Publish | UpdateAccepted | UpdateRefused


class Reception:
    """Takes offers and chunks for the round that is open."""

    def __init__(self, topics: Topics, log: RoundLog, signer: Signer) -> None:
        self._topics = topics
        self._signer = signer
        self._log = log
        self._intake = Intake(log)

    def offered(self, offer: UpdateOffer, open_round: OpenRound | None) -> list[Effect]:
        """Answer an offer."""
        if self._log.has_folded(offer.update):
            return self._reply(offer, ReceiptStatus.DUPLICATE)
        if open_round is None or offer.update.plan != open_round.round.plan.plan:
            return self._reply(offer, ReceiptStatus.STALE, "its round is over")
        if reason := open_round.refusal(offer):
            return self._reply(offer, ReceiptStatus.REJECTED, reason)
        return self._advance(offer, open_round)

    def chunk(self, gateway: str, chunk: Chunk, open_round: OpenRound | None) -> list[Effect]:
        """Take a piece of an upload; the last one completes it.

        Raises:
            RemoteProtocolError: it is not a piece of what the gateway has offered.
        """
        offer = self._intake.take(gateway, chunk)
        return [] if offer is None or open_round is None else self._advance(offer, open_round)

    def clear(self) -> None:
        """Forget all offers: the round is over."""
        self._intake.clear()

    def _advance(self, offer: UpdateOffer, open_round: OpenRound) -> list[Effect]:
        """Ask for what is missing of an upload, or fold it when nothing is."""
        want = self._intake.offered(offer)
        if want is not None:
            return [self._sealed(offer.update.gateway, want)]
        try:
            payload = self._intake.assemble(offer)
            vector = open_round.decode(offer, payload)
        except RemoteProtocolError as error:
            return self._reply(offer, ReceiptStatus.REJECTED, str(error)[:256])
        self._log.accept(offer, payload)
        open_round.fold(offer, vector)
        accepted = UpdateAccepted(
            open_round.round.number,
            offer.update.gateway,
            offer.num_examples,
            offer.loss,
            len(payload),
        )
        return [accepted, *self._reply(offer, ReceiptStatus.ACCEPTED)]

    def _reply(self, offer: UpdateOffer, status: ReceiptStatus, reason: str = "") -> list[Effect]:
        receipt = Receipt(offer.update, status, reason, 0.0)
        gateway = offer.update.gateway
        effects: list[Effect] = [self._sealed(gateway, receipt)]
        if status in (ReceiptStatus.STALE, ReceiptStatus.REJECTED):
            effects.append(UpdateRefused(gateway, reason))
        return effects

    def _sealed(self, gateway: str, message: object) -> Publish:
        topic = self._topics.reply(gateway)
        return Publish(topic, sealed.seal(message, topic, self._signer))
