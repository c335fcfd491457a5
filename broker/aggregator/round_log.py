"""The aggregator's memory: rounds, updates and model versions in one SQLite file.

WAL with synchronous=FULL: what a method of this class has returned from survives SIGKILL and a
power cut. An update and its place in the round are one transaction, and so are a commit and its
model version.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from broker.aggregator.errors import StateError
from broker.aggregator.model_steps import (
    SCHEMA as STEPS_SCHEMA,
)
from broker.aggregator.model_steps import (
    Step,
    forget_steps,
    keep_carry,
    keep_step,
    read_carry,
    read_step,
    read_steps,
)
from broker.aggregator.next_model import NextModel
from broker.aggregator.rounds import Round, RoundState
from broker.durable import open_durable, transaction
from broker.protocol import wire
from broker.protocol.compression import Vector
from broker.protocol.messages import Chunk, Plan, UpdateId, UpdateOffer

_FORMAT = 6
_KEPT_VERSIONS = 3
_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS round (
    number INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
    min_reports INTEGER NOT NULL, goal INTEGER NOT NULL, plan BLOB NOT NULL,
    reason TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS folded (
    plan_id TEXT NOT NULL, gateway TEXT NOT NULL, version INTEGER NOT NULL,
    sequence INTEGER NOT NULL, round INTEGER NOT NULL, discount REAL NOT NULL,
    offer BLOB, payload BLOB,
    PRIMARY KEY (plan_id, gateway)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunk (
    gateway TEXT NOT NULL, digest BLOB NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (gateway, digest, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gateway (
    name TEXT PRIMARY KEY, public_key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS version (
    version INTEGER PRIMARY KEY, round INTEGER NOT NULL, cohort INTEGER NOT NULL,
    reported INTEGER NOT NULL, blob BLOB NOT NULL);
"""
    + STEPS_SCHEMA
)


class RoundLog:
    """Rounds, accepted updates, partial uploads and model versions.

    Raises:
        StateError: the file belongs to another population or artifact, is of another format,
            or is not a database.
    """

    def __init__(self, path: Path | str, population: str, artifact: bytes) -> None:
        self._path = str(path)
        try:
            self._db = open_durable(self._path, _SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StateError(self._path, str(error)) from error
        try:
            self._claim({"format": _FORMAT, "population": population, "artifact": artifact})
        except StateError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; everything is durable already."""
        self._db.close()

    def next_counter(self, name: str) -> int:
        """Return the next value of a durable counter, from 1."""
        with transaction(self._db):
            value = int(self._meta(name) or 0) + 1
            self._set_meta(name, value)
        return value

    def counter(self, name: str) -> int:
        """Return a durable counter's last value, 0 when it was never used."""
        return int(self._meta(name) or 0)

    def gateway_keys(self) -> dict[str, bytes]:
        """Return the public key that each gateway is known by."""
        return dict(self._db.execute("SELECT name, public_key FROM gateway"))

    def pin_gateway_key(self, gateway: str, key: bytes) -> None:
        """Know a gateway by this public key from now on."""
        with transaction(self._db):
            self._db.execute("INSERT INTO gateway VALUES (?,?)", (gateway, key))

    def forget_gateway_key(self, gateway: str) -> bool:
        """Know a gateway by no key, until it shows one; returns whether there was one."""
        with transaction(self._db):
            gone = self._db.execute("DELETE FROM gateway WHERE name = ?", (gateway,))
        return gone.rowcount > 0

    def begin(self, round_: Round) -> None:
        """Write a new open round; what an abandoned one before it was given counts in this one."""
        row = (round_.number, round_.plan.plan, round_.state, round_.min_reports, round_.goal)
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO round (number, plan_id, state, min_reports, goal, plan) "
                "VALUES (?,?,?,?,?,?)",
                (*row, wire.encode(round_.plan)),
            )
            self._db.execute(
                "UPDATE folded SET round = ? WHERE round < ? AND payload IS NOT NULL",
                (round_.number, round_.number),
            )

    def replan(self, round_: Round) -> None:
        """Write the plan of an open round anew."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE round SET plan = ? WHERE number = ?",
                (wire.encode(round_.plan), round_.number),
            )

    def last_round(self) -> Round | None:
        """Return the newest round, whatever its state."""
        row = self._db.execute(
            "SELECT number, plan, min_reports, state, goal FROM round ORDER BY number DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        return Round(row[0], wire.decode(row[1], Plan), row[2], RoundState(row[3]), row[4])

    def plan(self, plan: str) -> Plan | None:
        """Return a plan that was published, by its id."""
        row = self._db.execute("SELECT plan FROM round WHERE plan_id = ?", (plan,)).fetchone()
        return None if row is None else wire.decode(row[0], Plan)

    def abandoned_in_a_row(self) -> int:
        """Return how many rounds were abandoned since the last one that was not."""
        row = self._db.execute(
            "SELECT COUNT(*) FROM round WHERE number > "
            "(SELECT COALESCE(MAX(number), 0) FROM round WHERE state != ?)",
            (RoundState.ABANDONED,),
        ).fetchone()
        return int(row[0])

    def carried(self) -> list[str]:
        """Return the gateways whose updates wait to count, because their round was abandoned."""
        rows = self._db.execute(
            "SELECT DISTINCT gateway FROM folded JOIN round ON folded.round = round.number "
            "WHERE payload IS NOT NULL AND state = ?",
            (RoundState.ABANDONED,),
        )
        return [row[0] for row in rows]

    def accept(
        self, offer: UpdateOffer, payload: bytes, number: int, discount: float = 1.0
    ) -> None:
        """Write an update and the round that it counts in; durable when this returns."""
        key = offer.update
        row = (key.plan, key.gateway, key.version, key.sequence, number, discount)
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO folded VALUES (?,?,?,?,?,?,?,?)", (*row, wire.encode(offer), payload)
            )
            self._db.execute("DELETE FROM chunk WHERE gateway = ?", (key.gateway,))

    def has_folded(self, update: UpdateId) -> bool:
        """Whether this gateway's update for this plan is durable already."""
        return self.has_answered(update.plan, update.gateway)

    def has_answered(self, plan: str, gateway: str) -> bool:
        """Whether an update of this gateway for this plan is durable."""
        row = self._db.execute(
            "SELECT 1 FROM folded WHERE plan_id = ? AND gateway = ?", (plan, gateway)
        ).fetchone()
        return row is not None

    def updates(self, number: int) -> Iterator[tuple[UpdateOffer, bytes, float]]:
        """Yield the updates that count in an open round, one at a time, and their discounts."""
        for offer, payload, discount in self._db.execute(
            "SELECT offer, payload, discount FROM folded WHERE round = ? AND payload IS NOT NULL "
            "ORDER BY gateway, plan_id",
            (number,),
        ):
            yield wire.decode(offer, UpdateOffer), payload, discount

    def commit(
        self,
        round_: Round,
        reported: int,
        version: int,
        model: NextModel,
        *,
        keep_chunks: bool = False,
    ) -> None:
        """End a round with a new model version, in one transaction with the step that leads to it.

        Pieces of uploads stay when they can still count in a later round.

        The folded payloads are let go of; their ids stay, so that a late copy is a duplicate.
        """
        with transaction(self._db):
            self._end(round_.to(RoundState.COMMITTED), "")
            self._db.execute(
                "UPDATE folded SET offer = NULL, payload = NULL WHERE round = ?", (round_.number,)
            )
            if not keep_chunks:
                self._db.execute("DELETE FROM chunk")
            asked = max(len(round_.plan.cohort), reported)
            row = (version, round_.number, asked, reported, model.blob)
            self._db.execute("INSERT INTO version VALUES (?,?,?,?,?)", row)
            self._db.execute("DELETE FROM version WHERE version <= ?", (version - _KEPT_VERSIONS,))
            if model.delta is not None:
                keep_step(self._db, version, model.delta)
            keep_carry(self._db, model.carry)
            forget_steps(self._db, version)

    def found(self, blob: bytes) -> None:
        """Write version 0 without a round: its normalisation was known beforehand."""
        with transaction(self._db):
            self._db.execute("INSERT INTO version VALUES (0, 0, 0, 0, ?)", (blob,))

    def abandon(self, round_: Round, reason: str) -> None:
        """End a round without a model version; its updates wait for the next one."""
        with transaction(self._db):
            self._end(round_.to(RoundState.ABANDONED), reason)

    def latest_version(self) -> int | None:
        """Return the newest model version, or ``None`` before the first."""
        row = self._db.execute("SELECT MAX(version) FROM version").fetchone()
        return None if row[0] is None else int(row[0])

    def blob(self, version: int) -> bytes:
        """Return the blob of a version that is kept (the last three are).

        Raises:
            StateError: it is not there.
        """
        row = self._db.execute("SELECT blob FROM version WHERE version = ?", (version,)).fetchone()
        if row is None:
            raise StateError(self._path, f"model version {version} is not kept")
        return bytes(row[0])

    def steps(self, version: int) -> list[Step]:
        """Return the last few steps that lead to a version one after the other, oldest first."""
        return read_steps(self._db, version)

    def step(self, version: int) -> Step | None:
        """Return the step that leads to a version, when it is kept."""
        return read_step(self._db, version)

    def carry(self) -> Vector | None:
        """Return what the step to the newest version has left out, float32[P]."""
        return read_carry(self._db)

    def makers(self, version: int) -> tuple[int, int]:
        """Return how many gateways were asked for a kept version, and how many reported."""
        row = self._db.execute(
            "SELECT cohort, reported FROM version WHERE version = ?", (version,)
        ).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def keep_chunk(self, gateway: str, chunk: Chunk) -> None:
        """Write a piece of an upload, so that a crash costs at most the pieces in flight."""
        with transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO chunk VALUES (?,?,?,?)",
                (gateway, chunk.digest, chunk.index, chunk.data),
            )

    def kept_chunks(self, gateway: str, digest: bytes) -> set[int]:
        """Return the indexes of the pieces that are there."""
        rows = self._db.execute(
            "SELECT idx FROM chunk WHERE gateway = ? AND digest = ?", (gateway, digest)
        )
        return {row[0] for row in rows}

    def chunk_data(self, gateway: str, digest: bytes) -> list[bytes]:
        """Return the pieces that are there, by index."""
        rows = self._db.execute(
            "SELECT data FROM chunk WHERE gateway = ? AND digest = ? ORDER BY idx",
            (gateway, digest),
        )
        return [row[0] for row in rows]

    def drop_chunks(self, gateway: str, but: bytes = b"") -> None:
        """Forget a gateway's uploads, except that of the digest ``but``."""
        with transaction(self._db):
            self._db.execute("DELETE FROM chunk WHERE gateway = ? AND digest != ?", (gateway, but))

    def _end(self, round_: Round, reason: str) -> None:
        self._db.execute(
            "UPDATE round SET state = ?, reason = ? WHERE number = ?",
            (round_.state, reason, round_.number),
        )

    def _claim(self, owner: dict[str, int | str | bytes]) -> None:
        with transaction(self._db):
            for key, value in owner.items():
                found = self._meta(key)
                if key == "format" and found not in (None, value):
                    raise StateError(
                        self._path,
                        f"another format: {found!r}, this version of perfuse reads {value!r}; "
                        "go on with the version that wrote it, or begin with an empty state_dir",
                    )
                if found is not None and found != value:
                    raise StateError(self._path, f"belongs to another {key}")
                self._set_meta(key, value)

    def _meta(self, key: str) -> int | str | bytes | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set_meta(self, key: str, value: int | str | bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))
