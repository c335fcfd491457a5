"""Error feedback's residual: with its update in one transaction, or not at all."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from broker.protocol.messages import BlobReference, ReceiptStatus, UpdateId, UpdateOffer
from edge_agent.errors import StorageError
from edge_agent.journal import Journal

ARTIFACT = b"a" * 32
P = 500


def offer(sequence: int) -> UpdateOffer:
    update = UpdateId(f"ward.{sequence}", 0, "g1", sequence)
    return UpdateOffer(update, "q8", 40, 0.5, BlobReference(b"d" * 32, 600, 256))


def change(sequence: int) -> np.ndarray:
    return np.random.default_rng(sequence).normal(size=P).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        yield journal


def add(journal: Journal, sequence: int, payload: bytes = b"payload") -> None:
    journal.add_update(offer(sequence), payload, None, change(sequence))


def residual(journal: Journal) -> np.ndarray:
    found = journal.residual(P)
    assert found is not None
    return found


@pytest.mark.parametrize("status", [ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE])
def test_what_a_counted_update_left_out_is_owed(journal: Journal, status: ReceiptStatus) -> None:
    assert journal.residual(P) is None
    add(journal, 1)
    assert np.array_equal(residual(journal), change(1))
    journal.settle(offer(1).update, status)
    assert np.array_equal(residual(journal), change(1))


@pytest.mark.parametrize("status", [ReceiptStatus.STALE, ReceiptStatus.REJECTED])
def test_what_a_lost_update_left_out_is_rolled_back(
    journal: Journal, status: ReceiptStatus
) -> None:
    add(journal, 1)
    journal.settle(offer(1).update, ReceiptStatus.ACCEPTED)
    before = residual(journal)
    add(journal, 2)
    assert not np.array_equal(residual(journal), before)
    journal.settle(offer(2).update, status)
    assert np.array_equal(residual(journal), before)


def test_only_the_lost_one_of_several_waiting_updates_is_rolled_back(journal: Journal) -> None:
    for sequence in (1, 2, 3):
        add(journal, sequence)
    journal.settle(offer(2).update, ReceiptStatus.STALE)
    assert np.allclose(residual(journal), change(1) + change(3))
    journal.settle(offer(1).update, ReceiptStatus.ACCEPTED)
    journal.settle(offer(3).update, ReceiptStatus.REJECTED)
    assert np.array_equal(residual(journal), change(1))


def test_an_update_that_goes_for_room_takes_its_change_along(path: Path) -> None:
    with closing(Journal(path, "ward/g1", ARTIFACT, room_bytes=4 * P + 2500)) as journal:
        add(journal, 1, b"x" * 2000)
        add(journal, 2, b"x" * 400)
        assert not journal.is_pending(offer(1).update)
        assert np.array_equal(residual(journal), change(2))


def test_a_receipt_that_comes_twice_counts_once(journal: Journal) -> None:
    add(journal, 1)
    for _ in range(2):
        journal.settle(offer(1).update, ReceiptStatus.ACCEPTED)
    assert np.array_equal(residual(journal), change(1))


def test_a_residual_of_another_shape_is_of_no_use(journal: Journal) -> None:
    add(journal, 1)
    assert journal.residual(P + 1) is None
    assert journal.discard_residual()
    assert journal.residual(P) is None
    assert not journal.discard_residual()


def test_the_change_is_written_with_its_update_or_not_at_all(journal: Journal) -> None:
    add(journal, 1)
    with pytest.raises(StorageError):
        journal.add_update(offer(1), b"again", None, change(2))
    assert np.array_equal(residual(journal), change(1))


WORK = """
import sys
import numpy as np
from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.messages import ReceiptStatus
from edge_agent.journal import Journal
from tests.edge_agent.test_residual import ARTIFACT, P, offer

def rounds(journal, last):
    "Train, compress, journal and settle; every third update is lost."
    chain, shared = codec("residual|topk=0.05|sign|golomb"), Shared(Layout.plain(P))
    for n in range(1, last + 1):
        generator = np.random.default_rng(n)
        delta = generator.normal(size=P).astype(np.float32)
        made = chain.compress(delta, shared, generator, journal.residual(P))
        yield n, "added"
        journal.add_update(offer(n), made.payload, None, made.left)
        yield n, "settled"
        lost = n % 3 == 0
        journal.settle(offer(n).update, ReceiptStatus.STALE if lost else ReceiptStatus.ACCEPTED)
"""


def test_the_residual_survives_a_kill(path: Path) -> None:
    """Killed while it writes; what is there is the residual of exactly the updates that are."""
    code = WORK + (
        f"journal = Journal({str(path)!r}, 'ward/g1', ARTIFACT)\n"
        "for n, _ in rounds(journal, 10_000): print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    while process.stdout.readline() not in (b"20\n", b""):
        pass
    process.kill()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as db:
        (last,) = db.execute("SELECT max(sequence) FROM outgoing").fetchone()
        waiting = db.execute("SELECT sequence FROM outgoing WHERE status = 'pending'").fetchall()
        assert db.execute("SELECT sequence FROM residual_change").fetchall() == waiting
    assert last >= 19
    scope: dict[str, object] = {}
    exec(compile(WORK, "work", "exec"), scope)  # the same work, undisturbed
    twin = Journal(":memory:", "ward/g1", ARTIFACT)
    with closing(twin), closing(Journal(path, "ward/g1", ARTIFACT)) as journal:
        for n, step in scope["rounds"](twin, last):  # type: ignore[operator]
            if (n, step) == (last, "settled") and waiting:
                break
        assert np.array_equal(residual(journal), residual(twin))
