"""Two hundred federations with faults: nothing lost, nothing counted twice, and each replays."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from broker.aggregator.intake import Intake
from broker.aggregator.open_round import OpenRound
from broker.aggregator.reception import Reception
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import TrainingSettings
from broker.protocol.messages import ReceiptStatus
from perfuse.cli import main
from perfuse.soak.run import SoakOptions, play, play_seed, soak
from perfuse.soak.scenario import scenario_of
from perfuse.soak.schedule import FaultKind
from perfuse.soak.violation import Invariant

SEEDS = 200


def small(seed):
    """Whether a seed is quickly played and yet full of faults; its rounds wait for everybody."""
    found = scenario_of(seed)
    quick = len(found.gateways) <= 8 and found.tick_s > 1 and not found.ed25519
    return quick and found.strict and len(found.faults) > 10


STRICT = next(seed for seed in range(1000) if small(seed))


def test_two_hundred_seeds_hold_every_invariant():
    counts: dict[str, int] = {}
    processes = min(4, os.cpu_count() or 1)
    for outcome in soak(SoakOptions(seeds=SEEDS, processes=processes)):
        assert outcome.finding is None, f"perfuse soak --seeds 1 --first {outcome.seed}"
        assert outcome.played is not None
        for name, count in outcome.played.counts.items():
            counts[name] = counts.get(name, 0) + count
    # What never happens is not tested either.
    for kind in FaultKind:
        assert counts[f"fault {kind}"] >= 20, kind
    for name in ("receipt duplicate", "update stale", "update evicted", "updates folded late"):
        assert counts[name] >= 20, name
    assert counts["rounds abandoned"] >= 10
    assert counts["rounds committed"] >= 5 * SEEDS
    assert counts["updates folded"] >= 5000


def test_a_seed_replays_exactly_and_in_another_process_too():
    first, again = play_seed(STRICT), play_seed(STRICT)
    assert first == again
    command = [sys.executable, "-m", "perfuse", "soak", "--seeds", "1", "--digests"]
    found = subprocess.run(
        [*command, "--first", str(STRICT)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    )
    assert f"seed {STRICT}: {first.played.digest}" in found.stdout


def test_another_seed_is_another_run():
    digests = {play_seed(seed, size=(5, 2)).played.digest for seed in range(1, 5)}
    assert len(digests) == 4


def test_the_outcomes_do_not_depend_on_the_processes():
    def outcomes(processes):
        return list(soak(SoakOptions(first=1, seeds=4, processes=processes, size=(5, 2))))

    assert outcomes(1) == outcomes(2)


def without_faults(gateways, parameters):
    """Return one exact round of many gateways, whose updates would be seen in any memory."""
    scenario = scenario_of(STRICT, size=(gateways, 1))
    training = TrainingSettings(codec="none")
    settings = replace(scenario.settings, training=training, chunk_bytes=32_768)
    changed = {"settings": settings, "parameters": parameters, "room_bytes": 1 << 26}
    return replace(scenario, **changed, faults=())


def memory_of(gateways, parameters):
    """Return the most bytes that the aggregator's core has held."""
    outcome = play(without_faults(gateways, parameters))
    assert outcome.finding is None, outcome.finding
    return outcome.played.memory_bytes


def test_the_aggregators_memory_is_that_of_the_model_whatever_the_number_of_gateways():
    parameters = 16_384
    few, many = memory_of(10, parameters), memory_of(100, parameters)
    assert few > 8 * parameters  # the sum is seen
    # Ninety updates would be 6 MB; an entry of the roster, with its offer, is less than 4 KiB.
    assert many - few < 90 * 4096


def finding_with(seed=STRICT):
    finding = play_seed(seed).finding
    assert finding is not None, "the ledger has not noticed"
    return finding


def test_an_update_that_is_folded_twice_is_found(monkeypatch):
    fold = OpenRound.fold

    def twice(open_round, *update):
        fold(open_round, *update)
        if open_round.reported == 2:
            fold(open_round, *update)
            open_round._mean.updates -= 1

    monkeypatch.setattr(OpenRound, "fold", twice)
    assert finding_with().invariant is Invariant.ONCE


def test_an_update_that_is_forgotten_is_found(monkeypatch):
    fold = OpenRound.fold

    def forgets(open_round, offer, update, discount=1.0):
        if open_round.reported == 1:
            update = replace(update, values=0 * update.values)
        fold(open_round, offer, update, discount)

    monkeypatch.setattr(OpenRound, "fold", forgets)
    assert finding_with().invariant is Invariant.ONCE


def test_a_receipt_before_the_write_is_found(monkeypatch):
    monkeypatch.setattr(RoundLog, "accept", lambda *_: None)
    assert finding_with().invariant is Invariant.DURABLE


def test_an_id_that_is_not_remembered_is_found(monkeypatch):
    monkeypatch.setattr(RoundLog, "has_folded", lambda *_: False)
    assert finding_with().invariant in (Invariant.NO_ERROR, Invariant.NOTHING_LOST)


def test_payloads_that_stay_in_memory_are_found(monkeypatch):
    assemble = Intake.assemble

    def keeps(intake, offer):
        payload = assemble(intake, offer)
        intake.kept = [*getattr(intake, "kept", []), payload]
        return payload

    monkeypatch.setattr(Intake, "assemble", keeps)
    outcome = play(without_faults(30, 8192))
    assert outcome.finding is not None
    assert outcome.finding.invariant is Invariant.MEMORY


def test_a_finding_is_printed_with_what_plays_it_again(monkeypatch, capsys):
    monkeypatch.setattr(RoundLog, "accept", lambda *_: None)
    assert main(["soak", "--seeds", "1", "--first", str(STRICT)]) == 1
    said = capsys.readouterr().out
    assert f"seed {STRICT} failed at" in said
    assert Invariant.DURABLE in said
    assert "aggregator" in said
    assert f"again: perfuse soak --seeds 1 --first {STRICT}" in said


def test_a_stale_word_on_an_accepted_update_is_found(monkeypatch):
    reply = Reception._reply

    def stale(reception, receipt):
        if receipt.status is ReceiptStatus.DUPLICATE:
            receipt = replace(receipt, status=ReceiptStatus.STALE)
        return reply(reception, receipt)

    monkeypatch.setattr(Reception, "_reply", stale)
    assert finding_with().invariant is Invariant.NOTHING_LOST
