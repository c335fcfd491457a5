"""Uploads that are coming in: bounded, on disk, resumed from a bitmap of what is missing."""

from __future__ import annotations

from broker.aggregator.round_log import RoundLog
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Chunk, UpdateOffer, Want
from broker.protocol.transfer import bitmap_of, join, require_piece

# An upload that has been silent for so long holds up nobody.
_ACTIVE_S = 60.0


class Intake:
    """Knows which update each gateway has offered; the chunks are in the log.

    One upload a gateway: no gateway can hold up another's. What is kept is bounded in bytes
    (:meth:`has_room`) and by version (:meth:`expire`).

    Args:
        log: where chunks are kept.
        room_bytes: of all updates that have come in part.
    """

    def __init__(self, log: RoundLog, room_bytes: int = 1 << 30) -> None:
        self._log = log
        self._room_bytes = room_bytes
        self._offers: dict[str, UpdateOffer] = {}
        self._heard: dict[str, float] = {}

    def busy(self, gateway: str, limit: int, now: float) -> bool:
        """Whether uploads of so many other gateways are coming in."""
        return len(self._active(now) - {gateway}) >= limit

    def has_room(self, offer: UpdateOffer, now: float) -> bool:
        """Whether there is room for this upload, if need be that of uploads which came to a halt.

        Those that were begun first go first. One alone may be larger than all the room.
        """
        gateway = offer.update.gateway
        excess = self._log.upload_bytes(but=gateway) + offer.payload.size - self._room_bytes
        if excess <= 0:
            return True
        others, active = self._log.uploads(but=gateway), self._active(now)
        halted = [upload for upload in others if upload.gateway not in active]
        gone = []
        for upload in halted:
            if excess <= 0:
                break
            gone.append(upload.gateway)
            excess -= upload.size
        if excess > 0 and len(gone) < len(others):
            return False
        self._log.drop_upload(*gone)
        for other in gone:
            self.forget(other)
        return True

    def offered(self, offer: UpdateOffer, now: float = 0.0) -> Want | None:
        """Take an offer that the round does not refuse; say what is missing, if anything is.

        An offer takes the place of what the same gateway offered before.
        """
        gateway = offer.update.gateway
        self._log.begin_upload(offer)
        self._offers[gateway] = offer
        self._heard[gateway] = now
        missing = self._missing(offer)
        if not missing:
            return None
        bitmap = bitmap_of(missing, offer.payload.chunks)
        return Want(offer.update, offer.payload.digest, bitmap)

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
        self.forget(gateway)
        try:
            return join(offer.payload, self._log.chunk_data(gateway, offer.payload.digest))
        except RemoteProtocolError:
            self._log.drop_upload(gateway)
            raise

    def forget(self, gateway: str) -> None:
        """Forget what a gateway has offered; its pieces stay in the log."""
        self._offers.pop(gateway, None)
        self._heard.pop(gateway, None)

    def expire(self, oldest: int) -> list[UpdateOffer]:
        """Forget what was offered of bases before version ``oldest``; returns it."""
        expired = [offer for offer in self._offers.values() if offer.update.version < oldest]
        for offer in expired:
            self.forget(offer.update.gateway)
        return expired

    def _active(self, now: float) -> set[str]:
        return {gateway for gateway, at in self._heard.items() if now - at < _ACTIVE_S}

    def _missing(self, offer: UpdateOffer) -> list[int]:
        kept = self._log.kept_chunks(offer.update.gateway, offer.payload.digest)
        return [i for i in range(offer.payload.chunks) if i not in kept]
