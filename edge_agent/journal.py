"""What a gateway must not forget: its updates until their receipt, its models, its counters.

SQLite in WAL mode with synchronous=FULL: what a method of this class has returned from survives
SIGKILL and a power cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from broker.durable import open_durable
from broker.protocol import wire
from broker.protocol.messages import ReceiptStatus, UpdateId, UpdateOffer
from edge_agent.control_variate import ControlVariate
from edge_agent.errors import StorageError
from edge_agent.storage import storing, writing

_FORMAT = 1
_KEPT_MODELS = 2
# Answers are kept long enough that no retained plan can still ask for them.
_KEPT_ANSWERS = 1000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outgoing (
    sequence INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
    offer BLOB, payload BLOB);
CREATE TABLE IF NOT EXISTS model (
    version INTEGER PRIMARY KEY, digest BLOB NOT NULL, blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS control (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, reach REAL NOT NULL,
    base BLOB NOT NULL, own BLOB NOT NULL);
"""
_PENDING = "pending"


class Journal:
    """The durable state of one gateway in one population.

    Raises:
        StorageError: the file is not a database, belongs to another gateway, population or
            artifact, or is of another format. From every method: the disk is full or failing;
            nothing was written.
    """

    def __init__(self, path: Path | str, owner: str, artifact: bytes) -> None:
        self._path = str(path)
        with storing(self._path):
            self._db = open_durable(path, _SCHEMA)
        try:
            self._claim({"format": _FORMAT, "owner": owner, "artifact": artifact})
        except StorageError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; everything is durable already."""
        self._db.close()

    def next_counter(self, name: str) -> int:
        """Return the next value of a durable counter, from 1."""
        with writing(self._path, self._db):
            value = self.counter(name) + 1
            self._set(name, value)
        return value

    def counter(self, name: str) -> int:
        """Return a counter's last value, 0 when it was never used."""
        return int(self._get(name) or 0)

    def raise_counter(self, name: str, value: int) -> bool:
        """Raise a counter to ``value``; returns False, changing nothing, when it is higher."""
        if value < self.counter(name):
            return False
        if value > self.counter(name):
            with writing(self._path, self._db):
                self._set(name, value)
        return True

    def add_update(
        self, offer: UpdateOffer, payload: bytes, variate: ControlVariate | None = None
    ) -> None:
        """Write an update before its first byte is sent, and with it what the next round needs.

        Raises:
            StorageError: its plan was answered before.
        """
        key = offer.update
        with writing(self._path, self._db):
            self._db.execute(
                "INSERT INTO outgoing VALUES (?,?,?,?,?)",
                (key.sequence, key.plan, _PENDING, wire.encode(offer), payload),
            )
            if variate is not None:
                base, own = (v.astype("<f4").tobytes() for v in (variate.base, variate.own))
                self._db.execute(
                    "INSERT OR REPLACE INTO control VALUES (1,?,?,?,?)",
                    (variate.version, variate.reach, base, own),
                )

    def control_variate(self) -> ControlVariate | None:
        """Return what the last round with a control variate left."""
        row = self._row("SELECT version, base, own, reach FROM control")
        if row is None:
            return None
        base, own = (np.frombuffer(blob, "<f4").astype(np.float32) for blob in row[1:3])
        return ControlVariate(row[0], base, own, row[3])

    def pending(self) -> tuple[UpdateOffer, bytes] | None:
        """Return the oldest update without a receipt, and its payload."""
        row = self._row(
            "SELECT offer, payload FROM outgoing WHERE status = ? ORDER BY sequence LIMIT 1",
            _PENDING,
        )
        return None if row is None else (wire.decode(row[0], UpdateOffer), bytes(row[1]))

    def settle(self, update: UpdateId, status: ReceiptStatus) -> None:
        """Write the receipt of an update and let go of its payload; its id stays."""
        with writing(self._path, self._db):
            self._db.execute(
                "UPDATE outgoing SET status = ?, offer = NULL, payload = NULL WHERE sequence = ?",
                (status, update.sequence),
            )
            self._db.execute(
                "DELETE FROM outgoing WHERE sequence <= ? AND status != ?",
                (update.sequence - _KEPT_ANSWERS, _PENDING),
            )

    def has_answered(self, plan: str) -> bool:
        """Whether there is an update for this plan, sent or not."""
        return self._row("SELECT 1 FROM outgoing WHERE plan_id = ?", plan) is not None

    def keep_model(self, version: int, digest: bytes, blob: bytes) -> None:
        """Write a model version; the last two are kept, and this one, which somebody asked for."""
        with writing(self._path, self._db):
            self._db.execute("INSERT OR REPLACE INTO model VALUES (?,?,?)", (version, digest, blob))
            self._db.execute(
                "DELETE FROM model WHERE version != ? AND version NOT IN "
                "(SELECT version FROM model ORDER BY version DESC LIMIT ?)",
                (version, _KEPT_MODELS),
            )

    def latest_model(self) -> tuple[bytes, bytes] | None:
        """Return digest and blob of the newest version that is kept."""
        row = self._row("SELECT digest, blob FROM model ORDER BY version DESC LIMIT 1")
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def model(self, digest: bytes) -> bytes | None:
        """Return the blob with this SHA-256, when it is kept."""
        row = self._row("SELECT blob FROM model WHERE digest = ?", digest)
        return None if row is None else bytes(row[0])

    def _claim(self, owner: dict[str, int | str | bytes]) -> None:
        with writing(self._path, self._db):
            for key, value in owner.items():
                found = self._get(key)
                if found is not None and found != value:
                    raise StorageError(self._path, f"belongs to another {key}")
                self._set(key, value)

    def _get(self, key: str) -> int | str | bytes | None:
        row = self._row("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else row[0]

    def _row(self, query: str, *values: str | bytes) -> Any:
        with storing(self._path):
            return self._db.execute(query, values).fetchone()

    def _set(self, key: str, value: int | str | bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))
