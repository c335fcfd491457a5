"""What the aggregator's memory has said is durable, is."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest

from broker.aggregator import kept_plans
from broker.aggregator.errors import RoundError, StateError
from broker.aggregator.kept_plans import KEPT_PLANS
from broker.aggregator.kept_uploads import KeptUpload
from broker.aggregator.next_model import NextModel
from broker.aggregator.round_log import RoundLog
from broker.aggregator.rounds import Round, RoundState
from broker.protocol import wire
from broker.protocol.cohort import Cohort
from broker.protocol.messages import (
    BlobReference,
    Chunk,
    Plan,
    PlanKind,
    TrainingPlan,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.model_blob import pack_model
from broker.protocol.model_delta import pack_delta
from models.normalisation import Normalisation

ARTIFACT = b"a" * 32
PLAN = Plan(
    1,
    "ward.1",
    PlanKind.STATISTICS,
    ARTIFACT,
    0,
    None,
    Cohort.of(("g1", "g2")),
    "sums",
    TrainingPlan(1, 0.1, 0.9, 0.0),
    1,
    1000.0,
    0,
)
ROUND = Round(1, PLAN, 2, RoundState.OPEN)


def kept(log: RoundLog) -> list[tuple[UpdateOffer, bytes, float]]:
    return [
        (wire.decode_stored(found.offer, UpdateOffer), found.payload, found.discount)
        for found in log.updates(1)
    ]


def offer(gateway: str, digest: bytes = b"d" * 32) -> UpdateOffer:
    return UpdateOffer(
        UpdateId("ward.1", 0, gateway, 1), "sums", 40, 0.0, BlobReference(digest, 600, 256)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rounds.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[RoundLog]:
    with closing(RoundLog(path, "ward", ARTIFACT)) as log:
        yield log


def reopened(log: RoundLog, path: Path) -> RoundLog:
    log.close()
    return RoundLog(path, "ward", ARTIFACT)


def test_everything_is_there_after_a_restart(log: RoundLog, path: Path) -> None:
    assert [log.next_counter("epoch"), log.next_counter("epoch")] == [1, 2]
    log.begin(ROUND)
    log.accept(offer("g1"), b"one", 1)
    log.keep_chunk("g2", Chunk(b"e" * 32, 1, b"piece"))
    with closing(reopened(log, path)) as again:
        assert again.counter("epoch") == 2
        assert again.last_round() == ROUND
        assert again.has_folded(offer("g1").update)
        assert not again.has_folded(offer("g2").update)
        assert kept(again) == [(offer("g1"), b"one", 1.0)]
        assert again.kept_chunks("g2", b"e" * 32) == {1}


def test_a_commit_lets_go_of_payloads_and_keeps_their_ids(log: RoundLog, path: Path) -> None:
    log.begin(ROUND)
    log.accept(offer("g1"), b"one", 1)
    log.begin_upload(offer("g2", b"e" * 32))
    log.keep_chunk("g2", Chunk(b"e" * 32, 1, b"piece"))
    log.commit(ROUND, 1, 0, NextModel(b"blob"), oldest=1)
    with closing(reopened(log, path)) as again:
        assert again.last_round() == ROUND.to(RoundState.COMMITTED)
        assert again.latest_version() == 0
        assert again.blob(0) == b"blob"
        assert again.makers(0) == (2, 1)
        assert again.has_folded(offer("g1").update)
        assert again.kept_chunks("g2", b"e" * 32) == set()
        assert again.uploads(but="") == []


def test_an_abandoned_round_makes_no_version(log: RoundLog) -> None:
    log.begin(ROUND)
    log.abandon(ROUND, "1 of 2 reported")
    assert log.last_round() == ROUND.to(RoundState.ABANDONED)
    assert log.latest_version() is None


def test_a_round_ends_once(log: RoundLog) -> None:
    log.begin(ROUND)
    log.commit(ROUND, 2, 0, NextModel(b"blob"), oldest=0)
    with pytest.raises(RoundError):
        log.abandon(ROUND.to(RoundState.COMMITTED), "")
    assert log.latest_version() == 0


def test_the_last_three_versions_are_kept(log: RoundLog) -> None:
    log.found(b"0")
    for number in range(1, 6):
        plan = replace(PLAN, plan=f"ward.{number}")
        round_ = Round(number, plan, 2, RoundState.OPEN)
        log.begin(round_)
        log.commit(round_, 2, number, NextModel(b"%d" % number), oldest=0)
    assert [log.blob(version) for version in (3, 4, 5)] == [b"3", b"4", b"5"]
    with pytest.raises(StateError, match="version 2 is not kept"):
        log.blob(2)


def test_the_makers_of_an_unknown_version_are_none(log: RoundLog) -> None:
    assert log.makers(3) == (0, 0)


def test_chunks_are_each_gateways_own(log: RoundLog) -> None:
    digest = b"d" * 32
    for gateway in ("g1", "g2"):
        for index in (2, 0):
            log.keep_chunk(gateway, Chunk(digest, index, f"{gateway}{index}".encode()))
    assert log.chunk_data("g1", digest) == [b"g10", b"g12"]
    log.keep_chunk("g1", Chunk(b"e" * 32, 0, b"other"))
    log.accept(offer("g1", digest), b"", 1)
    assert log.kept_chunks("g1", digest) == set()
    assert log.kept_chunks("g2", digest) == {0, 2}


def test_bytes_are_set_aside_for_each_gateways_newest_upload(log: RoundLog, path: Path) -> None:
    for name in ("g1", "g2"):
        log.begin_upload(offer(name, b"d" * 32))
        log.keep_chunk(name, Chunk(b"d" * 32, 0, b"piece"))
    size = offer("g1").payload.size
    with closing(reopened(log, path)) as again:
        again.begin_upload(offer("g2", b"d" * 32))  # as before: its pieces stay
        assert again.kept_chunks("g2", b"d" * 32) == {0}
        again.begin_upload(offer("g1", b"e" * 32))
        assert again.kept_chunks("g1", b"d" * 32) == set()
        assert [found.gateway for found in again.uploads(but="")] == ["g2", "g1"]
        assert (again.upload_bytes(but=""), again.upload_bytes(but="g1")) == (2 * size, size)
        again.drop_upload("g2")
        assert again.uploads(but="") == [KeptUpload("g1", size)]
        assert again.kept_chunks("g2", b"d" * 32) == set()


def test_uploads_of_old_bases_go_with_a_commit(log: RoundLog) -> None:
    log.begin(ROUND)
    for version in (3, 4, 5):
        key = replace(offer(f"g{version}").update, version=version)
        log.begin_upload(replace(offer(f"g{version}"), update=key))
        log.keep_chunk(f"g{version}", Chunk(b"d" * 32, 0, b"piece"))
    log.commit(ROUND, 2, 6, NextModel(b"blob"), oldest=4)
    assert [found.gateway for found in log.uploads(but="")] == ["g4", "g5"]
    assert [len(log.kept_chunks(f"g{v}", b"d" * 32)) for v in (3, 4, 5)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("population", "artifact", "key"),
    [("other", ARTIFACT, "population"), ("ward", b"b" * 32, "artifact")],
)
def test_anothers_state_is_refused(
    log: RoundLog, path: Path, population: str, artifact: bytes, key: str
) -> None:
    log.close()
    with pytest.raises(StateError, match=f"belongs to another {key}") as caught:
        RoundLog(path, population, artifact)
    assert caught.value.path == str(path)


def test_an_update_of_the_version_before_is_read(log: RoundLog, path: Path) -> None:
    """It wrote into every offer that its payload did not travel in it."""
    log.begin(ROUND)
    log.accept(offer("g1"), b"payload", 1)
    older = cbor2.loads(wire.encode(offer("g1"))) | {"inline": b""}
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE folded SET offer = ?", (cbor2.dumps(older, canonical=True),))
    assert kept(log) == [(offer("g1"), b"payload", 1.0)]


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, whatever its name says" * 40)
    with pytest.raises(StateError, match="not a database"):
        RoundLog(path, "ward", ARTIFACT)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="unable to open"):
        RoundLog(tmp_path / "no" / "rounds.sqlite", "ward", ARTIFACT)


_ACCEPT_AND_DIE = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_round_log import ARTIFACT, ROUND, offer
from broker.aggregator.round_log import RoundLog
log = RoundLog(sys.argv[1], "ward", ARTIFACT)
log.begin(ROUND)
log.accept(offer("g1"), b"payload" * 1000, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_accepted_update_survives_a_kill(path: Path) -> None:
    tests = str(Path(__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-c", _ACCEPT_AND_DIE.format(tests=tests), str(path)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    with closing(RoundLog(path, "ward", ARTIFACT)) as log:
        assert log.last_round() == ROUND
        assert kept(log) == [(offer("g1"), b"payload" * 1000, 1.0)]


def test_a_commit_that_fails_leaves_version_step_and_carry_as_they_were(log: RoundLog) -> None:
    base = pack_model(0, ARTIFACT, Normalisation((0.0,), (1.0,)), np.zeros(3, np.float32))
    delta = pack_delta(base, "none", b"x")
    log.begin(ROUND)
    log.commit(ROUND, 2, 1, NextModel(b"one", delta, np.ones(3, np.float32)), oldest=0)
    second = replace(ROUND, number=2, plan=replace(PLAN, plan="ward.2"))
    log.begin(second)
    with pytest.raises(sqlite3.IntegrityError):
        log.commit(second, 2, 1, NextModel(b"two", delta, np.zeros(3, np.float32)), oldest=0)
    assert (log.latest_version(), log.blob(1)) == (1, b"one")
    assert [step.delta for step in log.steps(1)] == [delta]
    carry = log.carry()
    assert carry is not None
    assert carry.tolist() == [1, 1, 1]
    last = log.last_round()
    assert last is not None
    assert last.state is RoundState.OPEN


def committed(log: RoundLog, number: int, **changes: Any) -> None:
    plan = replace(PLAN, plan=f"ward.{number}", **changes)
    round_ = Round(number, plan, 2, RoundState.OPEN)
    log.begin(round_)
    log.commit(round_, 2, number, NextModel(b"blob", None, None), oldest=0)


@pytest.mark.parametrize(("cap", "kept"), [(0, KEPT_PLANS), (150, 151)])
def test_plans_that_no_update_can_answer_are_let_go_of(log: RoundLog, cap: int, kept: int) -> None:
    rounds = kept + 30
    for number in range(1, rounds + 1):
        committed(log, number, staleness_cap=cap)
    there = [n for n in range(1, rounds + 1) if log.plan(f"ward.{n}") is not None]
    # Those of the last versions, when the newest round began.
    assert there == list(range(rounds - kept, rounds + 1))
    assert log.was_published("ward.1")
    assert not log.was_published("ward.x")
    (size,) = log._db.execute("SELECT COUNT(plan) FROM round").fetchone()
    assert size == kept + 1


def test_plans_of_rounds_that_all_fail_are_bounded_too(
    log: RoundLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_plans, "MOST_PLANS", 20)
    for number in range(1, 61):
        round_ = Round(number, replace(PLAN, plan=f"ward.{number}"), 2, RoundState.OPEN)
        log.begin(round_)
        log.abandon(round_, "")
    assert log._db.execute("SELECT COUNT(plan) FROM round").fetchone() == (20,)
    assert log.abandoned_in_a_row() == 60
