"""Updates on their way to the aggregator, one after the other, from the journal. Sans-I/O."""

from __future__ import annotations

from broker.protocol import pace
from broker.protocol.effects import Publish
from broker.protocol.messages import AggregatorPresence, Receipt, ReceiptStatus, Want
from broker.protocol.signing import Signer
from broker.protocol.topics import Topics
from edge_agent.effects import Note
from edge_agent.journal import Journal
from edge_agent.upload import Upload

Effect = Publish | Note

# A population that spreads over less than this need not spread.
_AT_ONCE_S = 1.0


class Outbox:
    """Offers the oldest update without a receipt until it has one, then the next."""

    def __init__(self, topics: Topics, journal: Journal, signer: Signer) -> None:
        self._topics = topics
        self._signer = signer
        self._journal = journal
        self._upload: Upload | None = None
        self._aggregator_birth = 0

    @property
    def active(self) -> bool:
        """Whether an update is on its way."""
        return self._upload is not None

    def resume(self, now: float, *, link: bool) -> list[Effect]:
        """Offer what is pending, when there is a link."""
        if self._upload is not None and not self._journal.is_pending(self._upload.offer.update):
            self._upload = None  # a newer update took its room
        if not link:
            return []
        if self._upload is None and (pending := self._journal.pending()) is not None:
            self._upload = Upload(self._topics, self._signer, *pending)
        return [] if self._upload is None else [*self._upload.begin(now)]

    def rest(self) -> None:
        """Send nothing more; :meth:`resume` asks what is missing and goes on with that."""
        self._upload = None

    def published(self, token: str, now: float) -> list[Effect]:
        """The broker has acknowledged a chunk."""
        return [] if self._upload is None else [*self._upload.published(token, now)]

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: offer again in silence."""
        return [] if self._upload is None else [*self._upload.tick(now)]

    def aggregator(self, presence: AggregatorPresence, now: float) -> list[Effect]:
        """Offer again at once to an aggregator that is back."""
        back = presence.online and presence.birth > self._aggregator_birth
        self._aggregator_birth = max(presence.birth, self._aggregator_birth)
        if not back or self._upload is None:
            return []
        if presence.pace_s < _AT_ONCE_S:
            return [*self._upload.begin(now)]
        place = pace.place(self._upload.offer.update.gateway, presence.birth)
        self._upload.postpone(now, place * presence.pace_s)
        return []

    def wanted(self, want: Want, now: float) -> list[Effect]:
        """Send what the aggregator does not have."""
        upload = self._upload
        if upload is None or want.update != upload.offer.update:
            return []
        return [*upload.wanted(want, now)]

    def receipt(self, receipt: Receipt, now: float) -> list[Effect]:
        """Let go of an update that the aggregator has judged, and offer the next."""
        upload = self._upload
        if upload is None or receipt.update != upload.offer.update:
            return []
        if receipt.status is ReceiptStatus.RETRY:
            wait = receipt.retry_after_s
            upload.postpone(now, wait)
            return [Note(f"the aggregator is {receipt.retry}: again in {wait:.0f} s")]
        self._journal.settle(receipt.update, receipt.status)
        self._upload = None
        noted: list[Effect] = []
        if receipt.rejected or receipt.detail:
            why = f"{receipt.rejected}: " if receipt.rejected else ""
            noted.append(Note(f"update {receipt.status}: {why}{receipt.detail}"))
        return noted + self.resume(now, link=True)
