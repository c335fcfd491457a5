"""The aggregator's memory: rounds, updates and model versions in one SQLite file.

WAL with synchronous=FULL: what a method of this class has returned from survives SIGKILL and a
power cut. An update and its place in the round are one transaction, and so are a commit and its
model version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from broker.aggregator.errors import StateError
from broker.aggregator.kept_plans import decode_plan, forget_plans, is_plan, read_plan
from broker.aggregator.kept_updates import (
    KeptUpdate,
    forget_update,
    is_answered,
    read_carried,
    read_updates,
)
from broker.aggregator.kept_uploads import (
    KeptUpload,
    begin_upload,
    forget_older,
    forget_upload,
    is_begun,
    keep_piece,
    read_indexes,
    read_pieces,
    read_uploads,
    set_aside_bytes,
)
from broker.aggregator.log_file import counter, open_log, raise_counter
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
from broker.durable import transaction
from broker.protocol import wire
from broker.protocol.compression import Vector
from broker.protocol.messages import Chunk, Plan, UpdateId, UpdateOffer

_KEPT_VERSIONS = 3


class RoundLog:
    """Rounds, accepted updates, partial uploads and model versions.

    Raises:
        StateError: the file belongs to another population or artifact, is of another format,
            or is not a database.
    """

    def __init__(self, path: Path | str, population: str, artifact: bytes) -> None:
        self._path = str(path)
        self._db = open_log(path, population, artifact)

    def close(self) -> None:
        """Close the file; everything is durable already."""
        self._db.close()

    def next_counter(self, name: str, least: int = 0) -> int:
        """Return the next value of a durable counter: from 1, and ``least`` or more."""
        with transaction(self._db):
            return raise_counter(self._db, name, least)

    def counter(self, name: str) -> int:
        """Return a durable counter's last value, 0 when it was never used."""
        return counter(self._db, name)

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
            forget_plans(self._db, round_)

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
        plan = decode_plan(row[1])
        return Round(row[0], plan, row[2], RoundState(row[3]), row[4])

    def plan(self, plan: str) -> Plan | None:
        """Return a plan that was published, by its id, unless it is long over."""
        return read_plan(self._db, plan)

    def was_published(self, plan: str) -> bool:
        """Whether there ever was a plan with this id."""
        return is_plan(self._db, plan)

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
        return read_carried(self._db)

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
            forget_upload(self._db, key.gateway)

    def has_folded(self, update: UpdateId) -> bool:
        """Whether this gateway's update for this plan is durable already."""
        return self.has_answered(update.plan, update.gateway)

    def has_answered(self, plan: str, gateway: str) -> bool:
        """Whether an update of this gateway for this plan is durable."""
        return is_answered(self._db, plan, gateway)

    def updates(self, number: int) -> Iterator[KeptUpdate]:
        """Yield the updates that count in an open round, one at a time."""
        return read_updates(self._db, number)

    def let_go(self, kept: KeptUpdate) -> None:
        """Let an update count in no round; its id stays."""
        with transaction(self._db):
            forget_update(self._db, kept)

    def commit(
        self,
        round_: Round,
        reported: int,
        version: int,
        model: NextModel,
        *,
        oldest: int,
    ) -> None:
        """End a round with a new model version, in one transaction with the step that leads to it.

        Pieces of uploads stay of updates that can still count: of version ``oldest`` or later.

        The folded payloads are let go of; their ids stay, so that a late copy is a duplicate.
        """
        with transaction(self._db):
            self._end(round_.to(RoundState.COMMITTED), "")
            self._db.execute(
                "UPDATE folded SET offer = NULL, payload = NULL WHERE round = ?", (round_.number,)
            )
            forget_older(self._db, oldest)
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

    def versions(self) -> list[int]:
        """Return the versions that are kept, newest first."""
        rows = self._db.execute("SELECT version FROM version ORDER BY version DESC")
        return [int(row[0]) for row in rows]

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

    def begin_upload(self, offer: UpdateOffer) -> None:
        """Set bytes aside for what a gateway has offered; nothing, when its pieces are of that."""
        if not is_begun(self._db, offer.update.gateway, offer.payload):
            with transaction(self._db):
                begin_upload(self._db, offer)

    def upload_bytes(self, but: str) -> int:
        """Return the bytes that are set aside for uploads, except one gateway's."""
        return set_aside_bytes(self._db, but)

    def uploads(self, but: str) -> list[KeptUpload]:
        """Return the uploads that came in part, except one gateway's, the first begun first."""
        return read_uploads(self._db, but)

    def keep_chunk(self, gateway: str, chunk: Chunk) -> None:
        """Write a piece of an upload, so that a crash costs at most the pieces in flight."""
        with transaction(self._db):
            keep_piece(self._db, gateway, chunk)

    def kept_chunks(self, gateway: str, digest: bytes) -> set[int]:
        """Return the indexes of the pieces that are there."""
        return read_indexes(self._db, gateway, digest)

    def chunk_data(self, gateway: str, digest: bytes) -> list[bytes]:
        """Return the pieces that are there, by index."""
        return read_pieces(self._db, gateway, digest)

    def drop_upload(self, *gateways: str) -> None:
        """Let go of what has come of these gateways' updates."""
        with transaction(self._db):
            for gateway in gateways:
                forget_upload(self._db, gateway)

    def _end(self, round_: Round, reason: str) -> None:
        self._db.execute(
            "UPDATE round SET state = ?, reason = ? WHERE number = ?",
            (round_.state, reason, round_.number),
        )
