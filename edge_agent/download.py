"""One blob at a time on its way here, chunk by chunk, asked for again in silence. Sans-I/O.

Each chunk is a retained message on a topic of its own, and only those that are missing are
subscribed to, few at once: a broker sends everything that matches a filter again whenever it is
subscribed to, so that one filter for all would cost the whole blob after each cut of the link.
"""

from __future__ import annotations

from collections.abc import Sequence

from broker.protocol.effects import Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import BlobReference, Chunk
from broker.protocol.topics import Topics
from broker.protocol.transfer import Assembly

# Chunks that were asked for and have not come: what a cut link can cost.
_WINDOW = 4
_RETRY_S = 30.0
# A broker that kept our session sends what was under way by itself: asking at once would double it.
_SESSION_S = 5.0
Request = Subscribe | Unsubscribe


class Download:
    """Fetches what is wanted and not held, and to its end while it is wanted."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._assembly: Assembly | None = None
        self._asked: set[int] = set()
        self._retry_at = 0.0
        self._patience_s = _RETRY_S

    @property
    def active(self) -> bool:
        """Whether something is coming in."""
        return self._assembly is not None

    def seek(self, wanted: Sequence[BlobReference], now: float, *, link: bool) -> list[Request]:
        """Go on with what is coming in while it is wanted, or begin with the first."""
        requests: list[Request] = []
        if self._assembly is not None:
            if self._assembly.reference in wanted:
                return self._fill(self._assembly) if link else []
            requests += self._give_up(self._assembly)
        if wanted:
            self._assembly = Assembly(wanted[0])
            requests += self.ask(now, link=link)
        return requests

    def ask(self, now: float, *, link: bool) -> list[Request]:
        """Subscribe to missing chunks, which the broker then sends; when there is a link."""
        if self._assembly is None:
            return []
        self._patience_s = _RETRY_S
        self._retry_at = now + _RETRY_S
        if not link:
            return []
        again = sorted(self._asked)
        return [self._subscribe(self._assembly, index) for index in again] + self._fill(
            self._assembly
        )

    def resume(self, now: float, *, link: bool) -> list[Request]:
        """Go on over a new link: what was asked for comes by itself, or is asked for again soon."""
        if self._assembly is None or not link:
            return []
        # Until it was asked again: some came by themselves, others may never have been heard of.
        self._patience_s = _SESSION_S if self._asked else _RETRY_S
        self._retry_at = now + self._patience_s
        return self._fill(self._assembly)

    def tick(self, now: float) -> list[Request]:
        """Ask again when nothing has come in a while."""
        return self.ask(now, link=True) if now >= self._retry_at else []

    def take(self, topic: str, chunk: Chunk, now: float) -> tuple[Assembly | None, list[Request]]:
        """Take a chunk; returns the whole once every chunk is there, and forgets it.

        Raises:
            RemoteProtocolError: it is not a piece of the blob, or not its topic's.
        """
        assembly = self._assembly
        if assembly is None or chunk.digest != assembly.reference.digest:
            return None, []
        if topic != self._topics.blob_chunk(chunk.digest, chunk.index):
            raise RemoteProtocolError("chunk", "digest", "not the topic's")
        assembly.add(chunk)
        self._retry_at = now + self._patience_s
        requests: list[Request] = []
        if chunk.index in self._asked:
            self._asked.discard(chunk.index)
            requests.append(Unsubscribe(topic))
        if not assembly.complete:
            return None, requests
        self._assembly = None
        return assembly, requests

    def _fill(self, assembly: Assembly) -> list[Request]:
        requests: list[Request] = []
        for index in assembly.missing:
            if len(self._asked) >= _WINDOW:
                break
            if index not in self._asked:
                self._asked.add(index)
                requests.append(self._subscribe(assembly, index))
        return requests

    def _give_up(self, assembly: Assembly) -> list[Request]:
        asked, self._asked = sorted(self._asked), set()
        self._assembly = None
        digest = assembly.reference.digest
        return [Unsubscribe(self._topics.blob_chunk(digest, index)) for index in asked]

    def _subscribe(self, assembly: Assembly, index: int) -> Subscribe:
        return Subscribe(self._topics.blob_chunk(assembly.reference.digest, index))
