"""The real journal and round log, watched: each write is a step, and the ledger hears of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from broker.aggregator.next_model import NextModel
from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round
from broker.protocol.messages import Chunk, ReceiptStatus, UpdateId, UpdateOffer
from edge_agent.errors import StorageError
from edge_agent.journal import Journal
from perfuse.soak.ledger import Ledger
from perfuse.soak.scenario import POPULATION
from perfuse.soak.tripwire import Tripwire

_NO_LIMIT = 1 << 30


class WatchedJournal(Journal):
    """A gateway's journal in memory that outlives the gateway, as a disk does."""

    def __init__(
        self, gateway: str, artifact: bytes, room_bytes: int, ledger: Ledger, tripwire: Tripwire
    ) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._tripwire = Tripwire()
        self._full = False
        super().__init__(":memory:", f"{POPULATION}/{gateway}", artifact, room_bytes=room_bytes)
        self._tripwire = tripwire

    def add_update(self, offer: UpdateOffer, payload: bytes, *rest: Any) -> None:
        """See :class:`Journal`."""
        with self._step():
            super().add_update(offer, payload, *rest)
            self._ledger.journalled(self._gateway, offer, payload)

    def settle(self, update: UpdateId, status: ReceiptStatus, *rest: Any) -> None:
        """See :class:`Journal`."""
        with self._step():
            super().settle(update, status, *rest)
            self._ledger.settled(self._gateway, update, status)

    def keep_model(self, version: int, digest: bytes, blob: bytes) -> None:
        """See :class:`Journal`."""
        with self._step():
            super().keep_model(version, digest, blob)

    def next_counter(self, name: str) -> int:
        """See :class:`Journal`."""
        with self._step():
            return super().next_counter(name)

    def fill_disk(self, *, full: bool) -> None:
        """Let nothing be written that a core asks for, and no page be added by anything else."""
        self._full = full
        _limit(self._db, full=full)

    @contextmanager
    def _step(self) -> Iterator[None]:
        """A write is two steps: a kill in front of it takes it back, one behind it does not."""
        self._tripwire.step()
        if self._full:
            raise StorageError(self._path, "database or disk is full")
        yield
        self._tripwire.step()

    def statuses(self) -> dict[int, str]:
        """Return the status of each update that is remembered, by its sequence."""
        return dict(self._rows("SELECT sequence, status FROM outgoing"))


class WatchedRoundLog(RoundLog):
    """The aggregator's log in memory that outlives the aggregator.

    ``round_ends`` is called while the core still holds what it has folded.
    """

    def __init__(
        self,
        artifact: bytes,
        ledger: Ledger,
        tripwire: Tripwire,
        round_ends: Callable[[], None],
    ) -> None:
        self._round_ends = round_ends
        self._ledger = ledger
        self._tripwire = tripwire
        self._full = False
        super().__init__(":memory:", POPULATION, artifact)

    def begin(self, round_: Round) -> None:
        """See :class:`RoundLog`."""
        with self._step():
            super().begin(round_)
            self._ledger.begun(round_)

    def replan(self, round_: Round) -> None:
        """See :class:`RoundLog`."""
        with self._step():
            super().replan(round_)

    def accept(self, offer: UpdateOffer, payload: bytes, *rest: Any) -> None:
        """See :class:`RoundLog`."""
        with self._step():
            super().accept(offer, payload, *rest)
            self._ledger.accepted(offer, payload)

    def commit(
        self, round_: Round, reported: int, version: int, model: NextModel, **more: Any
    ) -> None:
        """See :class:`RoundLog`."""
        self._round_ends()
        with self._step():
            super().commit(round_, reported, version, model, **more)
            self._ledger.committed(round_, reported, version, model)

    def abandon(self, round_: Round, reason: str) -> None:
        """See :class:`RoundLog`."""
        self._round_ends()
        with self._step():
            super().abandon(round_, reason)
            self._ledger.abandoned(round_)

    def found(self, blob: bytes) -> None:
        """See :class:`RoundLog`."""
        with self._step():
            super().found(blob)
            self._ledger.founded(blob)

    def keep_chunk(self, gateway: str, chunk: Chunk) -> None:
        """See :class:`RoundLog`."""
        with self._step():
            super().keep_chunk(gateway, chunk)

    def next_counter(self, name: str, least: int = 0) -> int:
        """See :class:`RoundLog`."""
        with self._step():
            return super().next_counter(name, least)

    def fill_disk(self, *, full: bool) -> None:
        """See :meth:`WatchedJournal.fill_disk`."""
        self._full = full
        _limit(self._db, full=full)

    @contextmanager
    def _step(self) -> Iterator[None]:
        """A write is two steps: a kill in front of it takes it back, one behind it does not."""
        self._tripwire.step()
        if self._full:
            raise sqlite3.OperationalError("database or disk is full")
        yield
        self._tripwire.step()

    def is_durable(self, update: UpdateId) -> bool:
        """Whether an update would be there after a power cut: in a transaction that has ended."""
        row = self._db.execute(
            "SELECT 1 FROM folded WHERE plan_id = ? AND gateway = ? AND sequence = ?",
            (update.plan, update.gateway, update.sequence),
        ).fetchone()
        return row is not None and not self._db.in_transaction


def _limit(db: sqlite3.Connection, *, full: bool) -> None:
    pages = db.execute("PRAGMA page_count").fetchone()[0] if full else _NO_LIMIT
    db.execute(f"PRAGMA max_page_count={pages}")
