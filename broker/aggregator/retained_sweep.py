"""Clears what a broker retains of versions that nobody names any more. Sans-I/O.

An aggregator clears the chunks of a version when it is two versions old. It cannot when it has lost
its state, or when the version is one of a later life than its backup: so once in each life it asks
for all chunks that are retained, and clears those that it does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.topics import Topics

# After the last chunk that was cleared, or after asking.
_SILENCE_S = 60.0

Effect = Publish | Subscribe | Unsubscribe


class RetainedSweep:
    """Sweeps once.

    Args:
        topics: of the population.
        named: returns the digests of the blobs that gateways may still be told of. Nothing is
            swept while there is none: what is there is better than nothing.
    """

    def __init__(self, topics: Topics, named: Callable[[], frozenset[bytes]]) -> None:
        self._topics = topics
        self._named = named
        self._connected = self._begun = self._over = False
        self._ends_at = math.inf

    def connected(self) -> list[Subscribe]:
        """The link is up: ask, or ask again if the link went down meanwhile."""
        self._connected = True
        asks = self._begun and not self._over
        return [Subscribe(self._topics.all_blob_chunks)] if asks else []

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: begin, or end after silence."""
        if self._over or not self._connected:
            return []
        if not self._begun:
            if not self._named():
                return []
            self._begun, self._ends_at = True, now + _SILENCE_S
            return [Subscribe(self._topics.all_blob_chunks)]
        self._over = now >= self._ends_at
        return [Unsubscribe(self._topics.all_blob_chunks)] if self._over else []

    def heard(self, topic: str, payload: bytes, now: float) -> list[Effect]:
        """Take a message that was retained, or is our own; clear it if nobody names it."""
        digest = self._topics.digest_of(topic)
        if digest is None or not payload:
            return []
        if self._over:  # the word that it is over was lost
            return [Unsubscribe(self._topics.all_blob_chunks)]
        if not self._begun or digest in self._named():
            return []
        self._ends_at = now + _SILENCE_S
        return [Publish(topic, b"", retain=True)]
