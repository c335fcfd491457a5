"""Uploads that are coming in: bounded, on disk, resumed from a bitmap of what is missing."""

from __future__ import annotations

from broker.aggregator.round_log import RoundLog
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import MAX_COHORT, Chunk, UpdateOffer, Want
from broker.protocol.transfer import bitmap_of, join, require_piece


class Intake:
    """Knows which updates were offered in this round; their chunks are in the log."""

    def __init__(self, log: RoundLog, parameters: int) -> None:
        self._log = log
        self._parameters = parameters
        self._offers: dict[tuple[str, bytes], UpdateOffer] = {}

    def offered(self, offer: UpdateOffer) -> Want | None:
        """Take an offer that the round does not refuse; say what is missing, if anything is.

        Raises:
            RemoteProtocolError: more uploads are under way than a cohort has gateways.
        """
        key = (offer.update.gateway, offer.payload.digest)
        if key not in self._offers and len(self._offers) >= 2 * MAX_COHORT:
            raise RemoteProtocolError("update-offer", "", "too many uploads are under way")
        self._offers[key] = offer
        missing = self._missing(offer)
        if not missing:
            return None
        bitmap = bitmap_of(missing, offer.payload.chunks)
        return Want(offer.update, offer.payload.digest, bitmap)

    def take(self, gateway: str, chunk: Chunk) -> UpdateOffer | None:
        """Write a chunk of an offered upload; returns the offer once every chunk is there.

        A chunk that nobody offered is passed over: its offer will come, and ask again.

        Raises:
            RemoteProtocolError: it is not a piece of the offered upload.
        """
        offer = self._offers.get((gateway, chunk.digest))
        if offer is None:
            return None
        require_piece(offer.payload, chunk)
        self._log.keep_chunk(chunk)
        return None if self._missing(offer) else offer

    def assemble(self, offer: UpdateOffer) -> bytes:
        """Join an upload's chunks.

        Raises:
            RemoteProtocolError: they do not add up to the promised digest; they are forgotten.
        """
        self._offers.pop((offer.update.gateway, offer.payload.digest), None)
        try:
            return join(offer.payload, self._log.chunk_data(offer.payload.digest))
        except RemoteProtocolError:
            self._log.drop_chunks(offer.payload.digest)
            raise

    def clear(self) -> None:
        """Forget all offers: the round is over."""
        self._offers.clear()

    def _missing(self, offer: UpdateOffer) -> list[int]:
        kept = self._log.kept_chunks(offer.payload.digest)
        return [i for i in range(offer.payload.chunks) if i not in kept]
