"""What a gateway must not forget: its updates until their receipt, its models, its counters.

SQLite in WAL mode with synchronous=FULL: what a method of this class has returned from survives
SIGKILL and a power cut. A corrupt file is mended when it is opened, see :mod:`edge_agent.mending`.

The file is bounded. When the updates that wait for their receipt outgrow their room, the oldest
goes: the aggregator would discount it most, and the newest was trained from the newest model.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.protocol import wire
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Plan, ReceiptStatus, UpdateId, UpdateOffer
from edge_agent.control_variate import ControlVariate
from edge_agent.errors import StorageError
from edge_agent.journal_file import open_journal, read_named, write_named
from edge_agent.residual import (
    absorb_change,
    add_change,
    discard_residual,
    holds_residual,
    read_residual,
    roll_back_change,
)
from edge_agent.storage import storing, writing

_LOG = logging.getLogger(__name__)
_KEPT_MODELS = 2
# Answers are kept long enough that no retained plan can still ask for them.
_KEPT_ANSWERS = 1000
_PENDING = "pending"
_EVICTED = "evicted"
_UNREADABLE = "unreadable"


class Journal:
    """The durable state of one gateway in one population.

    Args:
        path: the file, or ``":memory:"``.
        owner: population and gateway.
        artifact: SHA-256 of the training artifact.
        room_bytes: payloads that may wait for their receipt; see the module's text.
        floor: where counters begin in a file that is new or was corrupt, so that what is counted
            there never falls behind what others have seen of this gateway; Unix seconds will do.

    Raises:
        ForeignStateError: the file is another gateway's, population's, artifact's or version's.
        StorageError: it cannot be opened or mended. From every method: the disk is full or failing;
            nothing was written.
    """

    def __init__(
        self,
        path: Path | str,
        owner: str,
        artifact: bytes,
        *,
        room_bytes: int = 64 * 1024 * 1024,
        floor: int = 0,
    ) -> None:
        self._path = str(path)
        self._room_bytes = room_bytes
        self._db = open_journal(path, owner, artifact, floor)

    def close(self) -> None:
        """Close the file; everything is durable already."""
        self._db.close()

    def next_counter(self, name: str) -> int:
        """Return the next value of a durable counter, from 1."""
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
            self._set(name, value)
        return True

    def day_spent(self) -> tuple[int, int]:
        """Return the day that bytes were counted last in, since 1970, and how many they are."""
        day, _, spent = str(self._get("day-spent") or "0:0").partition(":")
        return int(day), int(spent)

    def keep_day_spent(self, day: int, spent: int) -> None:
        """Write how many bytes a day has cost."""
        self._set("day-spent", f"{day}:{spent}")

    def aggregator_key(self) -> bytes | None:
        """Return the aggregator's public key that was pinned."""
        found = self._get("aggregator-key")
        return found if isinstance(found, bytes) else None

    def pin_aggregator_key(self, key: bytes) -> None:
        """Know the aggregator by this public key from now on."""
        self._set("aggregator-key", key)

    def keep_plan(self, plan: Plan | None) -> None:
        """Write the plan that is worked on, so that a restart without a link goes on with it."""
        self._set("plan", b"" if plan is None else wire.encode(plan))

    def plan(self) -> Plan | None:
        """Return the plan that was written last; ``None`` if none, or it is another version's."""
        stored = self._get("plan")
        try:
            return wire.decode(stored, Plan) if isinstance(stored, bytes) and stored else None
        except RemoteProtocolError:
            return None

    def add_update(
        self,
        offer: UpdateOffer,
        payload: bytes,
        variate: ControlVariate | None = None,
        left: NDArray[np.float32] | None = None,
    ) -> None:
        """Write an update before its first byte is sent, and what the next round needs with it.

        Updates that go to make room are logged; their plans stay answered. ``left`` float32[P] is
        what error feedback left out; it is owed once the update is accepted.

        Raises:
            StorageError: its plan was answered before, or it alone is larger than the room.
        """
        key = offer.update
        if (size := len(payload)) > self._room_bytes:
            raise StorageError(self._path, f"an update of {size} bytes, {self._room_bytes} at most")
        with writing(self._path, self._db):
            self._make_room(size + (0 if left is None else left.nbytes))
            self._db.execute(
                "INSERT INTO outgoing VALUES (?,?,?,?,?)",
                (key.sequence, key.plan, _PENDING, wire.encode(offer), payload),
            )
            if left is not None:
                add_change(self._db, key.sequence, left)
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

    def forget_control_variate(self) -> None:
        """Forget it: versions are counted anew, and the next is not the one after it."""
        if self._row("SELECT 1 FROM control") is not None:
            with writing(self._path, self._db):
                self._db.execute("DELETE FROM control")

    def residual(self, parameters: int) -> NDArray[np.float32] | None:
        """Return what earlier updates left out, float32[P]; see :mod:`edge_agent.residual`."""
        with storing(self._path):
            return read_residual(self._db, parameters)

    def discard_residual(self) -> bool:
        """Forget what earlier updates left out; returns whether there was anything."""
        with storing(self._path):
            held = holds_residual(self._db)
        if held:
            with writing(self._path, self._db):
                discard_residual(self._db)
        return held

    def pending(self) -> tuple[UpdateOffer, bytes] | None:
        """Return the oldest update without a receipt, and its payload.

        One that an older version has written is read as such; one that nobody can read is given
        up, and that is logged.
        """
        while True:
            row = self._row(
                "SELECT offer, payload, sequence, plan_id FROM outgoing WHERE status = ? "
                "ORDER BY sequence LIMIT 1",
                _PENDING,
            )
            if row is None:
                return None
            try:
                return wire.decode_stored(row[0], UpdateOffer), bytes(row[1])
            except (RemoteProtocolError, TypeError) as error:
                _LOG.error("%s: update for plan %s is given up: %s", self._path, row[3], error)
            with writing(self._path, self._db):
                self._give_up(row[2], _UNREADABLE)

    def is_pending(self, update: UpdateId) -> bool:
        """Whether an update still waits for its receipt."""
        row = self._row("SELECT status FROM outgoing WHERE sequence = ?", update.sequence)
        return row is not None and row[0] == _PENDING

    def settle(self, update: UpdateId, status: ReceiptStatus) -> None:
        """Write the receipt of an update and let go of its payload; its id stays.

        What it left out is owed if it counts, and forgotten if not.
        """
        counts = status in (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
        with writing(self._path, self._db):
            self._db.execute(
                "UPDATE outgoing SET status = ?, offer = NULL, payload = NULL WHERE sequence = ?",
                (status, update.sequence),
            )
            (absorb_change if counts else roll_back_change)(self._db, update.sequence)
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
        """Return digest and blob of the newest version that is kept and whole."""
        for digest, blob in self._rows("SELECT digest, blob FROM model ORDER BY version DESC"):
            if hashlib.sha256(blob).digest() == digest:
                return bytes(digest), bytes(blob)
        return None

    def holds_model(self, digest: bytes) -> bool:
        """Whether a blob with this SHA-256 was kept."""
        return self._row("SELECT 1 FROM model WHERE digest = ?", digest) is not None

    def model(self, digest: bytes) -> bytes | None:
        """Return the blob with this SHA-256, if it is kept; one that is not whole is let go of."""
        row = self._row("SELECT blob FROM model WHERE digest = ?", digest)
        if row is None or hashlib.sha256(row[0]).digest() == digest:
            return None if row is None else bytes(row[0])
        with writing(self._path, self._db):
            self._db.execute("DELETE FROM model WHERE digest = ?", (digest,))
        return None

    def _make_room(self, needed: int) -> None:
        rows = self._db.execute(
            "SELECT sequence, plan_id, length(payload) + ifnull(length(vector), 0) FROM outgoing "
            "LEFT JOIN residual_change USING (sequence) WHERE status = ? ORDER BY sequence",
            (_PENDING,),
        ).fetchall()
        excess = sum(row[2] for row in rows) + needed - self._room_bytes
        for sequence, plan, size in rows:
            if excess <= 0:
                break
            self._give_up(sequence, _EVICTED)
            _LOG.warning("%s: no room; the update for plan %s goes unanswered", self._path, plan)
            excess -= size

    def _give_up(self, sequence: int, status: str) -> None:
        """Let go of an update that waits; the caller holds the transaction."""
        self._db.execute(
            "UPDATE outgoing SET status = ?, offer = NULL, payload = NULL WHERE sequence = ?",
            (status, sequence),
        )
        roll_back_change(self._db, sequence)

    def _get(self, key: str) -> Any:
        return read_named(self._db, self._path, key)

    def _row(self, query: str, *values: int | str | bytes) -> Any:
        with storing(self._path):
            return self._db.execute(query, values).fetchone()

    def _rows(self, query: str) -> list[Any]:
        with storing(self._path):
            return self._db.execute(query).fetchall()

    def _set(self, key: str, value: int | str | bytes) -> None:
        write_named(self._db, self._path, key, value)
