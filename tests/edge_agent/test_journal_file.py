"""Journals that other versions of perfuse have written: taken over, or refused with a word."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import cbor2
import pytest

from broker.protocol import sealed
from broker.protocol.effects import Publish
from broker.protocol.messages import (
    AggregatorPresence,
    Mode,
    Receipt,
    ReceiptStatus,
    SmallUpdate,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.signing import Ed25519Signer
from broker.protocol.small_update import spelled_out
from broker.protocol.topics import Topics
from edge_agent.effects import Effect, Identity
from edge_agent.errors import ForeignStateError, StorageError
from edge_agent.examples import ExampleStore
from edge_agent.journal import Journal
from edge_agent.participant import Participant
from perfuse.cli import main
from perfuse.exit_codes import ExitCode

ARTIFACT = b"a" * 32
NOW = 1_000_000.0
# As journals were made before control variates and residuals were kept.
FORMAT_1 = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outgoing (
    sequence INTEGER PRIMARY KEY, plan_id TEXT UNIQUE NOT NULL, status TEXT NOT NULL,
    offer BLOB, payload BLOB);
CREATE TABLE IF NOT EXISTS model (
    version INTEGER PRIMARY KEY, digest BLOB NOT NULL, blob BLOB NOT NULL);
"""


def old_offer(sequence: int, payload: bytes) -> bytes:
    """An offer as format 1 had it at first: without a mode, a share, or the payload in it."""
    digest = hashlib.sha256(payload).digest()
    update = {"plan": f"ward.{sequence}", "version": 3, "gateway": "g1", "sequence": sequence}
    body = {
        "v": 1,
        "t": "update-offer",
        "update": update,
        "codec": "q8",
        "num_examples": 40,
        "loss": 0.5,
        "payload": {"digest": digest, "size": len(payload), "chunk_bytes": 256},
    }
    return cbor2.dumps(body, canonical=True)


def write(path: Path, number: int, *offers: tuple[int, str, bytes | None, bytes | None]) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FORMAT_1)
        meta = {"format": number, "owner": "ward/g1", "artifact": ARTIFACT, "birth": 17}
        db.executemany("INSERT INTO meta VALUES (?,?)", meta.items())
        rows = [(s, f"ward.{s}", status, *rest) for s, status, *rest in offers]
        db.executemany("INSERT INTO outgoing VALUES (?,?,?,?,?)", rows)
        db.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def offered(message: bytes, signer: Ed25519Signer, payload: bytes) -> UpdateOffer:
    """What a gateway's small update stands for; it brings the payload along."""
    topic = Topics("ward").offer("g1")
    found = sealed.unseal(message, topic, SmallUpdate, signer.public, signer)
    assert found.data == payload
    return spelled_out(found, "g1", None)


def published(effects: list[Effect], topic: str) -> list[bytes]:
    return [e.payload for e in effects if isinstance(e, Publish) and e.topic == topic]


def test_updates_of_an_older_version_are_sent_and_unreadable_ones_given_up(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the gateway's core: first the older one, then past one that nobody can read, the last."""
    payloads = {8: b"eight" * 100, 11: b"eleven" * 100}
    garbage = cbor2.dumps({"v": 1, "t": "update-offer", "codec": "q8"}, canonical=True)
    write(
        path,
        1,
        (7, "accepted", None, None),
        (8, "pending", old_offer(8, payloads[8]), payloads[8]),
        (9, "pending", garbage, b"nine"),
        (10, "pending", None, b"ten"),
        (11, "pending", old_offer(11, payloads[11]), payloads[11]),
    )
    topics, aggregator = Topics("ward"), Ed25519Signer(b"a" * 32)
    signer = Ed25519Signer(b"g" * 32)
    with closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        assert journal.has_answered("ward.7")
        gateway = Participant(
            Identity("ward", "g1", ARTIFACT, 3), journal, signer, b"s" * 8, aggregator.public
        )
        assert journal.counter("birth") == 18
        presence = AggregatorPresence(1, aggregator.public, online=True)
        effects = [*gateway.started(), *gateway.connected(NOW)]
        seal = sealed.seal(presence, topics.aggregator, aggregator)
        effects += gateway.receive(topics.aggregator, seal, NOW)
        for sequence in (8, 11):
            found = published(effects, topics.offer("g1"))[0]
            offer = offered(found, signer, payloads[sequence])
            assert (offer.update.sequence, offer.mode, offer.share) == (sequence, Mode.FULL, 1.0)
            receipt = Receipt(offer.update, ReceiptStatus.ACCEPTED)
            reply = topics.reply("g1")
            effects = gateway.receive(reply, sealed.seal(receipt, reply, aggregator), NOW)
        assert published(effects, topics.offer("g1")) == []
        assert journal.pending() is None
        assert all(journal.has_answered(f"ward.{sequence}") for sequence in range(7, 12))
    given_up = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    for said, sequence in zip(given_up, (9, 10), strict=True):
        assert f"update for plan ward.{sequence} is given up" in said
    # It is of today's format now, with all its tables, and is opened as any other.
    with closing(Journal(path, "ward/g1", ARTIFACT)) as again:
        assert again.control_variate() is None
        assert again.residual(3) is None
        assert again.counter("birth") == 18


@pytest.mark.parametrize("number", [0, 3, "new"])
def test_a_format_that_is_not_known_is_refused_and_left_alone(path: Path, number: int) -> None:
    write(path, number)
    for _ in range(2):
        with pytest.raises(ForeignStateError, match="reads 2 and older; go on with the version"):
            Journal(path, "ward/g1", ARTIFACT)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key='format'").fetchone() == (number,)


def test_a_small_update_of_the_version_before_is_not_lost(path: Path) -> None:
    """Format 2 at first told of every offer whether its payload travelled in it."""
    payload = b"few bytes"
    body = cbor2.loads(old_offer(4, payload)) | {"mode": "full", "share": 1.0, "inline": b""}
    write(path, 2, (4, "pending", cbor2.dumps(body, canonical=True), payload))
    topics, aggregator = Topics("ward"), Ed25519Signer(b"a" * 32)
    signer = Ed25519Signer(b"g" * 32)
    with closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        identity = Identity("ward", "g1", ARTIFACT, 3)
        gateway = Participant(identity, journal, signer, b"s" * 8, aggregator.public)
        presence = AggregatorPresence(1, aggregator.public, online=True)
        effects = [*gateway.started(), *gateway.connected(NOW)]
        seal = sealed.seal(presence, topics.aggregator, aggregator)
        effects += gateway.receive(topics.aggregator, seal, NOW)
        messages = published(effects, topics.offer("g1"))
        assert messages
        for found in messages:
            assert offered(found, signer, payload).update == UpdateId("ward.4", 3, "g1", 4)


def test_an_update_of_a_later_version_does_not_end_the_gateway(path: Path) -> None:
    """A journal of this format whose offer has a field that nobody knows here."""
    body = cbor2.loads(old_offer(4, b"x")) | {"colour": "red"}
    write(path, 2, (4, "pending", cbor2.dumps(body, canonical=True), b"x"))
    with closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        assert journal.pending() is None
        assert journal.has_answered("ward.4")


@pytest.mark.parametrize(
    ("command", "file", "more"),
    [
        ("aggregator", "rounds.sqlite", ""),
        ("agent", "journal.sqlite", 'gateway = "g1"\n[[sensor]]\nname = "s"\nport = "/dev/none"\n'),
    ],
)
def test_a_service_on_the_state_of_another_version_is_not_to_be_restarted(
    tmp_path: Path, command: str, file: str, more: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 78, which systemd's RestartPreventExitStatus knows, and a word for people."""
    state = tmp_path / "state"
    state.mkdir()
    write(state / file, 99)
    config = tmp_path / "config.toml"
    shared = f'population = "ward"\nmodel = "shoulder-cnn1d"\nstate_dir = "{state}"\n'
    config.write_text(shared + more)
    assert main([command, "--config", str(config)]) == ExitCode.CONFIG
    said = capsys.readouterr().err
    assert f"{file}: another format: 99" in said
    assert "Traceback" not in said


def test_examples_of_another_shape_are_another_models(tmp_path: Path) -> None:
    path = tmp_path / "examples.sqlite"
    ExampleStore(path, (3,), 10).close()
    with pytest.raises(StorageError) as caught:
        ExampleStore(path, (4,), 10)
    assert isinstance(caught.value, ForeignStateError)
