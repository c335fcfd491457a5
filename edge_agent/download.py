"""One blob at a time on its way to the gateway, asked for again in silence. Sans-I/O."""

from __future__ import annotations

from collections.abc import Sequence

from broker.protocol.effects import Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import BlobReference, Chunk
from broker.protocol.topics import Topics
from broker.protocol.transfer import Assembly

_RETRY_S = 30.0
Request = Subscribe | Unsubscribe


class Download:
    """Fetches what is wanted and not held, and to its end while it is wanted."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._assembly: Assembly | None = None
        self._retry_at = 0.0

    @property
    def active(self) -> bool:
        """Whether something is coming in."""
        return self._assembly is not None

    def seek(self, wanted: Sequence[BlobReference], now: float, *, link: bool) -> list[Request]:
        """Go on with what is coming in while it is wanted, or begin with the first."""
        requests: list[Request] = []
        if self._assembly is not None:
            if self._assembly.reference in wanted:
                return requests
            requests.append(Unsubscribe(self._topics.blob(self._assembly.reference.digest)))
            self._assembly = None
        if wanted:
            self._assembly = Assembly(wanted[0])
            requests += self.ask(now, link=link)
        return requests

    def ask(self, now: float, *, link: bool) -> list[Request]:
        """Subscribe, so that the broker sends what is retained; when there is a link."""
        if self._assembly is None:
            return []
        self._retry_at = now + _RETRY_S
        return [Subscribe(self._topics.blob(self._assembly.reference.digest))] if link else []

    def tick(self, now: float) -> list[Request]:
        """Ask again when not everything has come in a while."""
        return self.ask(now, link=True) if now >= self._retry_at else []

    def take(self, topic: str, chunk: Chunk) -> Assembly | None:
        """Take a chunk; returns the whole once every chunk is there, and forgets it.

        Raises:
            RemoteProtocolError: it is not a piece of the blob, or not its topic's.
        """
        assembly = self._assembly
        if assembly is None or chunk.digest != assembly.reference.digest:
            return None
        if topic != self._topics.blob_chunk(chunk.digest, chunk.index):
            raise RemoteProtocolError("chunk", "digest", "not the topic's")
        assembly.add(chunk)
        if not assembly.complete:
            return None
        self._assembly = None
        return assembly
