"""Round logs that earlier versions wrote: gone on from, inside the round, with a copy beside."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest

from broker.aggregator import log_migration
from broker.aggregator.coordinator import Coordinator
from broker.aggregator.errors import ForeignStateError, StateError
from broker.aggregator.events import RoundCommitted
from broker.aggregator.log_file import FORMAT
from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round, RoundState
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.aggregator.task import Task
from broker.protocol import sealed, wire
from broker.protocol.cohort import Cohort
from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.effects import Publish
from broker.protocol.messages import (
    GatewayPresence,
    GatewayState,
    Plan,
    Receipt,
    ReceiptStatus,
    UpdateId,
    UpdateOffer,
    Want,
)
from broker.protocol.model_blob import unpack_model
from broker.protocol.signing import Ed25519Signer
from broker.protocol.topics import Topics
from broker.protocol.transfer import cut, refer
from models.normalisation import Normalisation

ARTIFACT, PARAMETERS, START = b"a" * 32, 300, 1_000_000.0
TASK = Task(
    ARTIFACT, np.linspace(-1, 1, PARAMETERS, dtype=np.float32), 1, Normalisation((0.0,), (1.0,))
)
TOPICS, AGGREGATOR = Topics("ward"), Ed25519Signer(b"a" * 32)
SETTINGS = AggregatorSettings(
    "ward",
    RoundSettings(min_gateways=2, min_reports=2, min_examples=32, deadline_s=60.0, backoff_s=0.0),
    TrainingSettings(
        codec="none", model_codec="none", server_momentum=0.0, rotation_deg=0, scaling=0, tiers=()
    ),
    chunk_bytes=512,
)

META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
# What these tables were; each is what the format's own version created.
ROUND_1 = """CREATE TABLE round (
    number INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
    min_reports INTEGER NOT NULL, plan BLOB NOT NULL, reason TEXT NOT NULL DEFAULT '');"""
FOLDED_1 = """CREATE TABLE folded (
    plan_id TEXT NOT NULL, gateway TEXT NOT NULL, version INTEGER NOT NULL,
    sequence INTEGER NOT NULL, offer BLOB, payload BLOB,
    PRIMARY KEY (plan_id, gateway)) WITHOUT ROWID;"""
CHUNK_1 = """CREATE TABLE chunk (
    digest BLOB NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (digest, idx)) WITHOUT ROWID;"""
VERSION_1 = """CREATE TABLE version (
    version INTEGER PRIMARY KEY, round INTEGER NOT NULL, blob BLOB NOT NULL);"""
CHUNK_2 = """CREATE TABLE chunk (
    gateway TEXT NOT NULL, digest BLOB NOT NULL, idx INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (gateway, digest, idx)) WITHOUT ROWID;"""
VERSION_2 = """CREATE TABLE version (
    version INTEGER PRIMARY KEY, round INTEGER NOT NULL, cohort INTEGER NOT NULL,
    reported INTEGER NOT NULL, blob BLOB NOT NULL);"""
GATEWAY = """CREATE TABLE gateway (
    name TEXT PRIMARY KEY, public_key BLOB NOT NULL) WITHOUT ROWID;"""
ROUND_4 = """CREATE TABLE round (
    number INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
    min_reports INTEGER NOT NULL, goal INTEGER NOT NULL, plan BLOB NOT NULL,
    reason TEXT NOT NULL DEFAULT '');"""
FOLDED_4 = """CREATE TABLE folded (
    plan_id TEXT NOT NULL, gateway TEXT NOT NULL, version INTEGER NOT NULL,
    sequence INTEGER NOT NULL, round INTEGER NOT NULL, discount REAL NOT NULL,
    offer BLOB, payload BLOB,
    PRIMARY KEY (plan_id, gateway)) WITHOUT ROWID;"""
STEPS = """CREATE TABLE step (version INTEGER PRIMARY KEY, delta BLOB NOT NULL);
CREATE TABLE carry (id INTEGER PRIMARY KEY CHECK (id = 1), vector BLOB NOT NULL);"""
UPLOAD = """CREATE TABLE upload (
    gateway TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, version INTEGER NOT NULL,
    digest BLOB NOT NULL, size INTEGER NOT NULL, chunk_bytes INTEGER NOT NULL) WITHOUT ROWID;"""
OF_4 = (META, ROUND_4, FOLDED_4, CHUNK_2, VERSION_2, GATEWAY)
SCHEMAS = {
    1: (META, ROUND_1, FOLDED_1, CHUNK_1, VERSION_1),
    2: (META, ROUND_1, FOLDED_1, CHUNK_2, VERSION_2),
    3: (META, ROUND_1, FOLDED_1, CHUNK_2, VERSION_2, GATEWAY),
    4: OF_4,
    5: (*OF_4, STEPS),
    6: (*OF_4, STEPS),
    7: (*OF_4, STEPS, UPLOAD),
}


ADDED_TO_OFFERS = ("mode", "share")


def write_as(format_: int, new: Path, old: Path) -> None:
    """Write what a log holds as an earlier version would have."""
    with closing(sqlite3.connect(old)) as db, db:
        for schema in SCHEMAS[format_]:
            db.executescript(schema)
        db.execute("ATTACH ? AS new", (str(new),))
        tables = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = db.execute(f"PRAGMA main.table_info({table})").fetchall()
            columns = ", ".join(row[1] for row in rows)
            if table == "chunk" and format_ == 1:
                continue
            db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (format_,))
        if format_ < 6:
            plans = db.execute("SELECT number, plan FROM main.round").fetchall()
            for number, plan in plans:
                db.execute("UPDATE round SET plan = ? WHERE number = ?", (as_first(plan), number))
        (offer,) = db.execute("SELECT offer FROM main.folded").fetchone()
        body = cbor2.loads(offer)
        if format_ < 6:
            body = {k: v for k, v in body.items() if k not in ADDED_TO_OFFERS}
        else:  # the payload of small updates was a field of it on the wire, and here empty
            body["inline"] = b""
        db.execute("UPDATE folded SET offer = ?", (cbor2.dumps(body, canonical=True),))
        if format_ < 7:
            chunk: tuple[Any, ...] = (b"d" * 32, 0, b"a piece")
            row = chunk if format_ == 1 else ("g2", *chunk)
            db.execute(f"INSERT INTO chunk VALUES ({','.join('?' * len(row))})", row)


def as_first(plan: bytes) -> bytes:
    """Write a plan with the names of its cohort, and without what was added since."""
    body = cbor2.loads(plan)
    for name in ("staleness_cap", "links", "deltas"):
        del body[name]
    for name in ("scaffold", "rotation_deg", "scaling", "modes"):
        del body["training"][name]
    body["cohort"] = ["g1", "g2"]
    return cbor2.dumps(body, canonical=True)


def key(gateway: str) -> Ed25519Signer:
    return Ed25519Signer(gateway.encode().ljust(32))


def arrive(core: Coordinator, gateway: str) -> None:
    signer, topic = key(gateway), TOPICS.presence(gateway)
    said = GatewayPresence(
        gateway, 1, b"s" * 8, signer.public, GatewayState.READY, ARTIFACT, 50, None, 0, 0
    )
    core.receive(topic, sealed.seal(said, topic, signer), START)


def report(core: Coordinator, plan: Plan, gateway: str, value: float) -> list[Any]:
    """Offer an update and send its chunks."""
    delta = np.full(PARAMETERS, value, np.float32)
    shared, rng = Shared(Layout.plain(PARAMETERS), plan.seed), np.random.default_rng(0)
    payload = codec("none").compress(delta, shared, rng, None).payload
    name, reference = UpdateId(plan.plan, plan.version, gateway, 1), refer(payload, 512)
    topic = TOPICS.offer(gateway)
    offer = UpdateOffer(name, "none", 50, 0.5, reference)
    effects = core.receive(topic, sealed.seal(offer, topic, key(gateway)), START + 1)
    if any(isinstance(e, Publish) and e.topic == TOPICS.reply(gateway) for e in effects):
        for chunk in cut(payload, reference, range(reference.chunks)):
            topic = TOPICS.update_chunk(gateway, chunk.digest, chunk.index)
            effects += core.receive(topic, wire.encode(chunk), START + 1)
    return list(effects)


def receipts(effects: list[Any], gateway: str) -> list[ReceiptStatus]:
    topic = TOPICS.reply(gateway)
    replies = [
        sealed.unseal_any(e.payload, topic, (Receipt, Want), AGGREGATOR.public, AGGREGATOR)
        for e in effects
        if isinstance(e, Publish) and e.topic == topic
    ]
    return [reply.status for reply in replies if isinstance(reply, Receipt)]


def half_a_round(path: Path) -> Plan:
    """Open a round and take one update of two."""
    with closing(RoundLog(path, "ward", ARTIFACT)) as log:
        core = Coordinator(SETTINGS, TASK, log, AGGREGATOR)
        for gateway in ("g1", "g2"):
            arrive(core, gateway)
        core.tick(START)
        last = log.last_round()
        assert last is not None
        assert receipts(report(core, last.plan, "g1", 0.5), "g1") == [ReceiptStatus.ACCEPTED]
        return last.plan


@pytest.mark.parametrize("format_", sorted(SCHEMAS))
def test_a_log_of_an_earlier_format_goes_on_inside_its_round(tmp_path: Path, format_: int) -> None:
    plan = half_a_round(tmp_path / "new")
    path = tmp_path / "rounds.sqlite"
    write_as(format_, tmp_path / "new", path)
    before = path.read_bytes()
    with closing(RoundLog(path, "ward", ARTIFACT)) as log:
        last = log.last_round()
        assert last is not None
        assert (last.number, last.state, last.plan) == (1, RoundState.OPEN, plan)
        assert log.counter("epoch") == plan.epoch
        core = Coordinator(SETTINGS, TASK, log, AGGREGATOR)
        for gateway in ("g1", "g2"):
            arrive(core, gateway)
        assert receipts(report(core, plan, "g1", 0.5), "g1") == [ReceiptStatus.DUPLICATE]
        effects = report(core, plan, "g2", 1.5)
        assert [e.reported for e in effects if isinstance(e, RoundCommitted)] == [2]
        _, _, parameters = unpack_model(log.blob(1), ARTIFACT, PARAMETERS)
    np.testing.assert_allclose(parameters, TASK.initial + 1.0, atol=1e-6)
    # As it was it is beside, to the row; and it is of today's format from there on.
    kept = tmp_path / f"rounds.sqlite.format-{format_}"
    assert contents(kept) == contents_of(before, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if ".half" in p.name) == []
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key='format'").fetchone() == (FORMAT,)
        assert schema(db) == schema_of_today(tmp_path)


def contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def contents_of(file: bytes, folder: Path) -> list[str]:
    (folder / "again").write_bytes(file)
    return contents(folder / "again")


def schema(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [(t, *db.execute(f"PRAGMA table_info({t})").fetchall()) for (t,) in tables.fetchall()]


def schema_of_today(folder: Path) -> list[tuple[Any, ...]]:
    with closing(RoundLog(folder / "today", "ward", ARTIFACT)):
        pass
    with closing(sqlite3.connect(folder / "today")) as db:
        return schema(db)


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_a_round(tmp_path / "new")
    path = tmp_path / "rounds.sqlite"
    write_as(5, tmp_path / "new", path)
    before = contents(path)

    def full(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(log_migration, "_copy_versions", full)
        with pytest.raises(StateError, match="disk is full"):
            RoundLog(path, "ward", ARTIFACT)
    assert contents(path) == before
    with closing(RoundLog(path, "ward", ARTIFACT)) as log:
        assert log.last_round() is not None


def test_an_open_round_that_nobody_can_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    half_a_round(tmp_path / "new")
    path = tmp_path / "rounds.sqlite"
    write_as(3, tmp_path / "new", path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE round SET plan = ?", (cbor2.dumps({"v": 0}),))
    before = contents(path)
    with pytest.raises(ForeignStateError, match="let the version that wrote it end the round"):
        RoundLog(path, "ward", ARTIFACT)
    assert contents(path) == before


def test_what_is_anothers_is_refused_before_it_is_touched(tmp_path: Path) -> None:
    half_a_round(tmp_path / "new")
    path = tmp_path / "rounds.sqlite"
    write_as(6, tmp_path / "new", path)
    with pytest.raises(ForeignStateError, match="belongs to another population"):
        RoundLog(path, "other", ARTIFACT)
    assert not (tmp_path / "rounds.sqlite.format-6").exists()


@pytest.mark.parametrize("number", [0, FORMAT + 1, "seven"])
def test_a_format_that_is_not_known_is_refused(tmp_path: Path, number: object) -> None:
    path = tmp_path / "rounds.sqlite"
    with closing(RoundLog(path, "ward", ARTIFACT)):
        pass
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (number,))
    with pytest.raises(ForeignStateError, match="another format"):
        RoundLog(path, "ward", ARTIFACT)


def test_a_plan_of_this_format_that_lacks_what_was_added_since_is_read(tmp_path: Path) -> None:
    plan = half_a_round(tmp_path / "log")
    with closing(sqlite3.connect(tmp_path / "log")) as db, db:
        (text,) = db.execute("SELECT plan FROM round").fetchone()
        body = cbor2.loads(text)
        del body["deltas"], body["training"]["modes"]
        db.execute("UPDATE round SET plan = ?", (cbor2.dumps(body, canonical=True),))
    with closing(RoundLog(tmp_path / "log", "ward", ARTIFACT)) as log:
        assert log.plan(plan.plan) == plan


def test_updates_that_a_version_was_made_without_count_in_no_later_round(tmp_path: Path) -> None:
    """Before format 4 those of an abandoned round counted nowhere."""
    plan = half_a_round(tmp_path / "new")
    path = tmp_path / "rounds.sqlite"
    write_as(3, tmp_path / "new", path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE round SET state = 'abandoned'")
        db.execute("INSERT INTO round SELECT 2, 'ward.b', 'committed', 2, plan, '' FROM round")
    with closing(RoundLog(path, "ward", ARTIFACT)) as log:
        following = replace(plan, plan="ward.c", cohort=Cohort.of(("g1", "g2")))
        log.begin(Round(3, following, 2, RoundState.OPEN))
        assert list(log.updates(3)) == []
        assert log.has_answered(plan.plan, "g1")
