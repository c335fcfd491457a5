"""Who has which topic filter: no message is held against every filter of every client. Pure."""

from __future__ import annotations

from broker.protocol.loopback import matches


class Subscribers:
    """Filters and their clients, in the order in which they subscribed."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, None]] = {}
        self._wild: dict[str, dict[str, None]] = {}

    def add(self, client: str, topic_filter: str) -> None:
        """Let a client have a filter, once however often it asks."""
        self._kind(topic_filter).setdefault(topic_filter, {})[client] = None

    def remove(self, client: str, topic_filter: str) -> None:
        """Take a filter from a client that may have it."""
        kind = self._kind(topic_filter)
        clients = kind.get(topic_filter, {})
        clients.pop(client, None)
        if not clients:
            kind.pop(topic_filter, None)

    def of(self, topic: str) -> list[str]:
        """Return the clients that get a topic, each once."""
        found = dict(self._exact.get(topic, {}))
        for topic_filter, clients in self._wild.items():
            if matches(topic_filter, topic):
                found |= clients
        return list(found)

    def _kind(self, topic_filter: str) -> dict[str, dict[str, None]]:
        return self._exact if is_exact(topic_filter) else self._wild


def is_exact(topic_filter: str) -> bool:
    """Whether a filter is a topic."""
    return "+" not in topic_filter and "#" not in topic_filter
