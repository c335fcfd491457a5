"""What a gateway must not forget, it does not."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from broker.durable import open_durable
from broker.protocol.messages import BlobReference, ReceiptStatus, UpdateId, UpdateOffer
from edge_agent.control_variate import ControlVariate
from edge_agent.errors import StorageError
from edge_agent.journal import Journal

ARTIFACT = b"a" * 32


def offer(sequence: int) -> UpdateOffer:
    update = UpdateId(f"ward.{sequence}", 0, "g1", sequence)
    return UpdateOffer(update, "q8", 40, 0.5, BlobReference(b"d" * 32, 600, 256))


def digest(blob: bytes) -> bytes:
    return hashlib.sha256(blob).digest()


def keep(journal: Journal, version: int, blob: bytes) -> None:
    journal.keep_model(version, digest(blob), blob)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        yield journal


def test_everything_is_there_after_a_restart(journal: Journal, path: Path) -> None:
    assert [journal.next_counter("birth"), journal.next_counter("birth")] == [1, 2]
    assert journal.raise_counter("plan-epoch", 9)
    journal.add_update(offer(1), b"one")
    keep(journal, 3, b"model")
    journal.close()
    with closing(Journal(path, "ward/g1", ARTIFACT)) as again:
        assert again.next_counter("birth") == 3
        assert again.counter("plan-epoch") == 9
        assert again.pending() == (offer(1), b"one")
        assert again.has_answered("ward.1")
        assert again.latest_model() == (digest(b"model"), b"model")


def test_the_oldest_update_without_a_receipt_is_pending(journal: Journal) -> None:
    assert journal.pending() is None
    for sequence in (2, 1, 3):
        journal.add_update(offer(sequence), b"%d" % sequence)
    order = []
    while (pending := journal.pending()) is not None:
        order.append(pending)
        journal.settle(pending[0].update, ReceiptStatus.ACCEPTED)
    assert order == [(offer(s), b"%d" % s) for s in (1, 2, 3)]


@pytest.mark.parametrize("status", set(ReceiptStatus) - {ReceiptStatus.RETRY})
def test_a_settled_update_stays_answered(journal: Journal, status: ReceiptStatus) -> None:
    journal.add_update(offer(1), b"one")
    journal.settle(offer(1).update, status)
    assert journal.pending() is None
    assert journal.has_answered("ward.1")
    assert not journal.has_answered("ward.2")


def test_a_plan_is_answered_once(journal: Journal) -> None:
    journal.add_update(offer(1), b"one")
    with pytest.raises(StorageError, match="UNIQUE"):
        journal.add_update(offer(1), b"two")
    assert journal.pending() == (offer(1), b"one")


def test_answers_are_bounded_but_not_what_is_pending(journal: Journal) -> None:
    journal.add_update(offer(1), b"kept")
    journal.add_update(offer(2), b"let go")
    journal.settle(offer(2).update, ReceiptStatus.STALE)
    journal.add_update(offer(1100), b"")
    journal.settle(offer(1100).update, ReceiptStatus.ACCEPTED)
    assert not journal.has_answered("ward.2")
    assert journal.has_answered("ward.1100")
    assert journal.pending() == (offer(1), b"kept")


def test_a_counter_is_never_lowered(journal: Journal) -> None:
    assert journal.raise_counter("epoch", 5)
    assert journal.raise_counter("epoch", 5)
    assert not journal.raise_counter("epoch", 4)
    assert journal.counter("epoch") == 5
    assert journal.counter("never") == 0


def test_the_last_two_models_are_kept(journal: Journal) -> None:
    for version in (1, 2, 3):
        keep(journal, version, b"%d" % version)
    assert [journal.model(digest(b)) for b in (b"1", b"2", b"3")] == [None, b"2", b"3"]
    assert journal.latest_model() == (digest(b"3"), b"3")


def test_an_older_model_that_was_asked_for_is_kept_too(journal: Journal) -> None:
    for version in (5, 6, 4):
        keep(journal, version, b"%d" % version)
    assert [journal.model(digest(b)) for b in (b"4", b"5", b"6")] == [b"4", b"5", b"6"]
    assert journal.latest_model() == (digest(b"6"), b"6")


@pytest.mark.parametrize(
    ("owner", "artifact", "key"),
    [("ward/g2", ARTIFACT, "owner"), ("ward/g1", b"b" * 32, "artifact")],
)
def test_anothers_journal_is_refused(
    journal: Journal, path: Path, owner: str, artifact: bytes, key: str
) -> None:
    journal.close()
    with pytest.raises(StorageError, match=f"belongs to another {key}") as caught:
        Journal(path, owner, artifact)
    assert caught.value.path == str(path)


def test_a_corrupt_file_is_mended_and_counting_goes_on_above_what_others_saw(
    journal: Journal, path: Path
) -> None:
    journal.next_counter("birth")
    journal.close()
    path.write_bytes(b"not a database, whatever its name says" * 40)
    with closing(Journal(path, "ward/g1", ARTIFACT, floor=1_700_000_000)) as fresh:
        assert fresh.next_counter("birth") == 1_700_000_001
        assert fresh.next_counter("sequence") == 1_700_000_001
    with closing(Journal(path, "ward/g1", ARTIFACT, floor=1_800_000_000)) as again:
        assert again.next_counter("birth") == 1_700_000_002


def test_a_model_that_is_not_whole_is_not_there(journal: Journal, path: Path) -> None:
    keep(journal, 1, b"older" * 100)
    keep(journal, 2, b"newer" * 100)
    journal.close()
    path.write_bytes(path.read_bytes().replace(b"newer", b"never"))
    with closing(Journal(path, "ward/g1", ARTIFACT)) as again:
        assert again.model(digest(b"newer" * 100)) is None
        assert again.latest_model() == (digest(b"older" * 100), b"older" * 100)


def test_when_there_is_no_room_the_oldest_updates_go(path: Path) -> None:
    with closing(Journal(path, "ward/g1", ARTIFACT, room_bytes=1000)) as journal:
        for sequence, size in ((1, 400), (2, 400), (3, 900)):
            assert not journal.is_pending(offer(sequence).update)
            journal.add_update(offer(sequence), bytes(size))
        assert [journal.is_pending(offer(s).update) for s in (1, 2, 3)] == [False, False, True]
        assert journal.pending() == (offer(3), bytes(900))
        assert all(journal.has_answered(f"ward.{s}") for s in (1, 2, 3))
        with pytest.raises(StorageError, match="1001 bytes, 1000 at most"):
            journal.add_update(offer(4), bytes(1001))
        assert journal.pending() == (offer(3), bytes(900))


def test_the_file_does_not_grow_with_the_updates_that_pass_through(path: Path) -> None:
    with closing(Journal(path, "ward/g1", ARTIFACT, room_bytes=100_000)) as journal:
        for sequence in range(1, 400):
            journal.add_update(offer(sequence), bytes(30_000))
    assert sum(f.stat().st_size for f in path.parent.iterdir()) < 1_000_000


@pytest.mark.parametrize("call", ["next_counter", "raise_counter", "add_update", "keep_model"])
def test_a_full_disk_is_a_storage_error_and_passes(journal: Journal, call: str) -> None:
    journal._db.execute(
        f"PRAGMA max_page_count={journal._db.execute('PRAGMA page_count').fetchone()[0]}"
    )
    big = "k" * 100_000
    arguments = {
        "next_counter": (big,),
        "raise_counter": (big, 1),
        "add_update": (offer(1), bytes(100_000)),
        "keep_model": (1, b"m" * 32, bytes(100_000)),
    }
    with pytest.raises(StorageError, match="database or disk is full"):
        getattr(journal, call)(*arguments[call])
    journal._db.execute("PRAGMA max_page_count=100000")
    journal.add_update(offer(1), bytes(100_000))
    assert journal.pending() == (offer(1), bytes(100_000))


_WRITE_AND_DIE = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_journal import ARTIFACT, keep, offer
from broker.protocol.messages import ReceiptStatus
from edge_agent.journal import Journal
journal = Journal(sys.argv[1], "ward/g1", ARTIFACT)
journal.next_counter("sequence")
journal.raise_counter("plan-epoch", 12)
keep(journal, 3, b"model")
journal.add_update(offer(1), b"settled")
journal.settle(offer(1).update, ReceiptStatus.ACCEPTED)
journal.add_update(offer(2), b"payload" * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_survives_a_kill(path: Path) -> None:
    tests = str(Path(__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-c", _WRITE_AND_DIE.format(tests=tests), str(path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    with closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        assert journal.counter("sequence") == 1
        assert journal.counter("plan-epoch") == 12
        assert journal.latest_model() == (digest(b"model"), b"model")
        assert journal.pending() == (offer(2), b"payload" * 1000)


def test_nothing_is_left_open_by_a_failed_open(path: Path) -> None:
    with closing(open_durable(path, "CREATE TABLE meta (key TEXT PRIMARY KEY, value)")) as db:
        db.execute("INSERT INTO meta VALUES ('format', 99)")
    with pytest.raises(StorageError, match="another format"):
        Journal(path, "ward/g1", ARTIFACT)


def test_a_control_variate_is_written_with_its_update_or_not_at_all(
    journal: Journal, path: Path
) -> None:
    assert journal.control_variate() is None
    base, own = np.arange(3, dtype=np.float32), np.array([1.5, -2.0, 0.25], np.float32)
    journal.add_update(offer(1), b"one", ControlVariate(4, base, own, 0.75))
    with pytest.raises(StorageError, match="UNIQUE"):
        journal.add_update(offer(1), b"two", ControlVariate(5, own, base, 0.5))
    journal.close()
    with closing(Journal(path, "ward/g1", ARTIFACT)) as again:
        kept = again.control_variate()
        assert kept is not None
        assert (kept.version, kept.reach) == (4, 0.75)
        assert np.array_equal(kept.base, base)
        assert np.array_equal(kept.own, own)
