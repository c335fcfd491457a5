"""Whose word a gateway takes: the aggregator's public key, from its settings or pinned."""

from __future__ import annotations

import logging

from edge_agent.effects import Note
from edge_agent.journal import Journal


class AggregatorTrust:
    """The one key that plans, models and receipts must be signed with.

    Args:
        journal: where a key that was met first is pinned.
        configured: the key that the settings name; it goes before what is pinned.
    """

    def __init__(self, journal: Journal, configured: bytes | None = None) -> None:
        self._journal = journal
        self._configured = configured is not None
        self._refused: bytes | None = None
        self.key = configured or journal.aggregator_key()

    def meet(self, key: bytes) -> list[Note]:
        """Take the key that an aggregator shows; the first one is pinned, and that is said.

        Another one than :attr:`key` is not taken, which is said once.
        """
        if self.key is None:
            self._journal.pin_aggregator_key(key)
            self.key = key
            return [
                Note(
                    f"trusting the aggregator's key {key.hex()} on first use; set aggregator_key "
                    "to have it checked from the start",
                    logging.WARNING,
                )
            ]
        if key in (self.key, self._refused):
            return []
        self._refused = key
        where = "aggregator_key says" if self._configured else "the journal has pinned"
        text = (
            f"the aggregator shows key {key.hex()[:16]}..., {where} {self.key.hex()[:16]}...: "
            "nothing of it is taken. If it was set up anew, set aggregator_key to its new key"
        )
        return [Note(text, logging.ERROR)]
