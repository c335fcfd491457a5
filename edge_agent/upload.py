"""One update on its way to the aggregator: few chunks in flight, sent again as asked. Sans-I/O."""

from __future__ import annotations

from collections import deque

from broker.protocol import sealed, wire
from broker.protocol.effects import Publish
from broker.protocol.messages import UpdateOffer, Want
from broker.protocol.signing import Signer
from broker.protocol.small_update import small
from broker.protocol.topics import Topics
from broker.protocol.transfer import cut, indexes_of

# Chunks that the link has but the broker has not acknowledged: what a cut link can cost.
_WINDOW = 4
_FIRST_RETRY_S = 5.0
_LAST_RETRY_S = 300.0


class Upload:
    """Offers an update, sends what the aggregator says is missing, and offers again in silence.

    A small payload goes with the offer: to be asked for it would cost more than to send it twice.
    Nothing else is sent before it was asked for, so that no byte goes twice.
    """

    def __init__(self, topics: Topics, signer: Signer, offer: UpdateOffer, payload: bytes) -> None:
        self.offer = offer
        self._signer = signer
        self._topics = topics
        self._payload = payload
        self._queue: deque[int] = deque()
        self._in_flight: dict[str, int] = {}
        self._wait_s = _FIRST_RETRY_S
        self._retry_at = 0.0

    def begin(self, now: float) -> list[Publish]:
        """Offer the update, at the start and whenever the link or the aggregator is back."""
        self._retry_at = now + self._wait_s
        topic = self._topics.offer(self.offer.update.gateway)
        message = small(self.offer, self._payload) or self.offer
        return [Publish(topic, sealed.seal(message, topic, self._signer))]

    def postpone(self, now: float, seconds: float) -> None:
        """Send nothing before ``seconds`` have passed, and offer again then."""
        self._queue.clear()
        self._retry_at = now + seconds

    def wanted(self, want: Want, now: float) -> list[Publish]:
        """Send what is missing and not under way.

        Raises:
            RemoteProtocolError: the bitmap does not fit the payload.
        """
        missing = indexes_of(want.missing, self.offer.payload.chunks)
        under_way = set(self._in_flight.values())
        self._queue = deque(index for index in missing if index not in under_way)
        self._wait_s = _FIRST_RETRY_S
        self._retry_at = now + self._wait_s
        return self._fill()

    def published(self, token: str, now: float) -> list[Publish]:
        """The broker has a chunk: send the next."""
        if self._in_flight.pop(token, None) is None:
            return []
        self._retry_at = now + self._wait_s
        return self._fill()

    def tick(self, now: float) -> list[Publish]:
        """Offer again when nothing was heard for a while, each time after twice as long."""
        if now < self._retry_at:
            return []
        self._wait_s = min(2 * self._wait_s, _LAST_RETRY_S)
        return self.begin(now)

    def _fill(self) -> list[Publish]:
        messages = []
        while self._queue and len(self._in_flight) < _WINDOW:
            index = self._queue.popleft()
            (chunk,) = cut(self._payload, self.offer.payload, [index])
            token = f"{self.offer.update.sequence}/{index}"
            self._in_flight[token] = index
            topic = self._topics.update_chunk(self.offer.update.gateway, chunk.digest, chunk.index)
            messages.append(Publish(topic, wire.encode(chunk), token=token))
        return messages
