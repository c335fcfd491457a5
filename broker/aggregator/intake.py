"""Uploads that are coming in: bounded, on disk, resumed from a bitmap of what is missing."""

from __future__ import annotations

from broker.aggregator.round_log import RoundLog
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Chunk, UpdateOffer, Want
from broker.protocol.transfer import bitmap_of, join, require_piece

# An upload that has been silent for so long holds up nobody.
_ACTIVE_S = 60.0


class Intake:
    """Knows which update each gateway has offered in this round; the chunks are in the log.

    One upload a gateway: no gateway can hold up another's, and what is kept is bounded by the
    cohort and by the size that the round lets an update have.
    """

    def __init__(self, log: RoundLog) -> None:
        self._log = log
        self._offers: dict[str, UpdateOffer] = {}
        self._heard: dict[str, float] = {}

    def busy(self, gateway: str, limit: int, now: float) -> bool:
        """Whether uploads of so many other gateways are coming in."""
        active = [g for g, at in self._heard.items() if now - at < _ACTIVE_S and g != gateway]
        return len(active) >= limit

    def offered(self, offer: UpdateOffer, now: float = 0.0) -> Want | None:
        """Take an offer that the round does not refuse; say what is missing, if anything is.

        An offer takes the place of what the same gateway offered before.
        """
        gateway = offer.update.gateway
        before = self._offers.get(gateway)
        if before is None:
            self._log.drop_chunks(gateway, but=offer.payload.digest)
        elif before.payload != offer.payload:
            self._log.drop_chunks(gateway)
        self._offers[gateway] = offer
        self._heard[gateway] = now
        missing = self._missing(offer)
        if not missing:
            return None
        bitmap = bitmap_of(missing, offer.payload.chunks)
        return Want(offer.update, offer.payload.digest, bitmap)

    def whole(self, offer: UpdateOffer) -> bytes | None:
        """Return the payload that an offer brings along; ``None`` when it comes as chunks.

        Raises:
            RemoteProtocolError: it is not the payload that the offer promises.
        """
        if not offer.inline:
            return None
        payload = join(offer.payload, [offer.inline])
        self._offers.pop(offer.update.gateway, None)
        self._heard.pop(offer.update.gateway, None)
        return payload

    def take(self, gateway: str, chunk: Chunk, now: float = 0.0) -> UpdateOffer | None:
        """Write a chunk of an offered upload; returns the offer once every chunk is there.

        A chunk that nobody offered is passed over: its offer will come, and ask again.

        Raises:
            RemoteProtocolError: it is not a piece of the offered upload.
        """
        offer = self._offers.get(gateway)
        if offer is None or offer.payload.digest != chunk.digest:
            return None
        require_piece(offer.payload, chunk)
        self._heard[gateway] = now
        self._log.keep_chunk(gateway, chunk)
        return None if self._missing(offer) else offer

    def assemble(self, offer: UpdateOffer) -> bytes:
        """Join an upload's chunks.

        Raises:
            RemoteProtocolError: they do not add up to the promised digest; they are forgotten.
        """
        gateway = offer.update.gateway
        self._offers.pop(gateway, None)
        self._heard.pop(gateway, None)
        try:
            return join(offer.payload, self._log.chunk_data(gateway, offer.payload.digest))
        except RemoteProtocolError:
            self._log.drop_chunks(gateway)
            raise

    def clear(self) -> None:
        """Forget all offers: the round is over."""
        self._offers.clear()
        self._heard.clear()

    def _missing(self, offer: UpdateOffer) -> list[int]:
        kept = self._log.kept_chunks(offer.update.gateway, offer.payload.digest)
        return [i for i in range(offer.payload.chunks) if i not in kept]
