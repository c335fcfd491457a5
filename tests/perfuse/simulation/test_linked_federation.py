"""Federations in virtual time: real cores, links that go, parties that die, nothing lost."""

from __future__ import annotations

import hashlib
from contextlib import closing

import numpy as np
import pytest

from broker.aggregator.events import GatewayDoubled
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.aggregator.task import Task
from edge_agent.trainer import Summed, Trained
from models.normalisation import Normalisation
from perfuse.link.profiles import PROFILES
from perfuse.link.timeline import Ending
from perfuse.simulation.labour import Labour
from perfuse.simulation.linked_federation import LinkedFederation
from perfuse.simulation.round_end import SimulationError
from perfuse.virtual.faults import RandomFaults

PARAMETERS = 1000
ARTIFACT = hashlib.sha256(b"artifact").digest()
KNOWN = Normalisation((0.0, 1.0), (1.0, 2.0))
TASK = Task(ARTIFACT, np.zeros(PARAMETERS, np.float32), 2, KNOWN)
NAMES = [f"gw-{i}" for i in range(6)]
ROUNDS = 4


def perform(jobs):
    """Move one parameter by one, each gateway its own: a round's average says who was counted."""
    return [
        Summed(np.ones(6), 64)
        if job.work.model is None
        else Trained(np.float32(np.arange(PARAMETERS) == NAMES.index(job.gateway)), 64, 0.5, 2)
        for job in jobs
    ]


def federation(profile=None, seed=5, faults=None, deadline_s=600.0, patience_s=36_000.0, **rounds):
    settings = AggregatorSettings(
        "sim",
        RoundSettings(
            **{"rounds": ROUNDS, "min_gateways": 4, "min_reports": 2}
            | {"deadline_s": deadline_s, "min_examples": 1}
            | rounds
        ),
        TrainingSettings(codec="none", model_codec="none", server_momentum=0.0),
        chunk_bytes=1024,
    )
    labour = Labour(perform, 32, 500.0)
    link = None if profile is None else PROFILES[profile]
    counts = dict.fromkeys(NAMES, 64)
    return closing(LinkedFederation(settings, TASK, counts, labour, link, seed, faults, patience_s))


def play(fed):
    """Run to the end; every version must be the average of the updates reported, each once."""
    rows, before = [], [np.zeros(PARAMETERS)]

    def ended(row):
        rows.append(row)
        _, _, parameters = fed.model()
        moved = parameters - before[0]
        before[0] = parameters
        if row.committed:
            counted = np.flatnonzero(np.abs(moved) > 1e-6)
            assert len(counted) == row.reported
            np.testing.assert_allclose(moved[counted], 1 / row.reported, rtol=1e-4)
        else:
            assert not moved.any()

    fed.run(ended)
    version, normalisation, _ = fed.model()
    assert (version, normalisation) == (ROUNDS, KNOWN)
    committed = [row for row in rows if row.committed]
    assert [row.version for row in committed] == list(range(1, ROUNDS + 1))
    assert all(row.reported <= row.cohort for row in rows)
    return rows


@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_every_profile_ends_and_replays(profile):
    few = {"min_gateways": 1, "min_reports": 1} if profile == "up-10-percent" else {}

    def once():
        with federation(profile, **few) as fed:
            return play(fed), fed.queue.now_s

    assert once() == once()


def test_another_seed_takes_another_time():
    def seconds(seed):
        with federation("ambulance", seed) as fed:
            play(fed)
            return fed.queue.now_s

    assert seconds(1) != seconds(2)


def test_the_wire_carries_the_payloads_and_little_more_when_nothing_is_cut():
    with federation("satellite") as fed:
        rows = play(fed)
    for row in rows:
        assert row.uplink_bytes < row.wire_uplink_bytes < 1.25 * row.uplink_bytes + 20_000
        assert row.wire_downlink_bytes > row.downlink_bytes


def test_training_takes_its_steps():
    with federation() as fed:
        rows = play(fed)
    # Two steps of half a second each in every round, on links that take no time.
    assert all(1.0 <= row.virtual_seconds < 3.0 for row in rows)


def crash_gateway(fed):
    fed.gateways["gw-1"].crash(3.0)


def power_cut(fed):
    fed.gateways["gw-2"].crash(20.0, Ending.SILENT)


def crash_aggregator(fed):
    fed.aggregator.crash(2.0)


def crash_broker(fed):
    fed.broker.snapshot()
    fed.broker.crash()
    fed.queue.after(4.0, fed.broker.restart)


def cut_link(fed):
    path = fed.gateways["gw-3"].path
    path.go_down(Ending.RESET)
    fed.queue.after(6.0, path.come_up)


def jump_clock(fed):
    fed.gateways["gw-4"].clock.offset_s += 5.0


@pytest.mark.parametrize(
    "fault", [crash_gateway, power_cut, crash_aggregator, crash_broker, cut_link, jump_clock]
)
@pytest.mark.parametrize("at_s", [0.05, 0.7, 1.9, 3.3])
def test_nothing_is_lost_or_counted_twice_whatever_dies(fault, at_s):
    with federation("wifi") as fed:
        fed.queue.at(at_s, lambda: fault(fed))
        play(fed)


@pytest.mark.parametrize("seed", range(10))
def test_late_and_duplicate_messages_with_crashes_at_random(seed):
    rng = np.random.default_rng(seed)
    faults = RandomFaults(rng.spawn(1)[0], late=0.3, late_s=3.0, duplicate=0.2)
    with federation("ambulance", seed, faults, deadline_s=120.0) as fed:
        for at_s in rng.random(6) * 30:
            fault = rng.choice([crash_gateway, power_cut, crash_aggregator, crash_broker, cut_link])
            fed.queue.at(float(at_s), lambda fault=fault: fault(fed))
        play(fed)


@pytest.mark.parametrize("seed", range(5))
def test_gateways_that_restart_are_never_taken_for_two(seed):
    said = []
    rng = np.random.default_rng(seed)
    faults = RandomFaults(rng.spawn(1)[0], late=0.4, late_s=5.0, duplicate=0.3)
    with federation("ambulance", seed, faults, deadline_s=120.0) as fed:
        happened = fed.aggregator._happened
        fed.aggregator._happened = lambda event: (said.append(event), happened(event))
        for at_s in rng.random(12) * 40:
            fault = rng.choice([crash_gateway, power_cut, crash_aggregator, crash_broker])
            fed.queue.at(float(at_s), lambda fault=fault: fault(fed))
        play(fed)
    assert not any(isinstance(event, GatewayDoubled) for event in said)


def test_rounds_that_nobody_can_end_are_given_up_with_a_word():
    def nothing(jobs):
        return [None for _ in jobs]

    rounds = RoundSettings(rounds=1, min_examples=1, deadline_s=5, backoff_s=0.0)
    settings = AggregatorSettings("sim", rounds)
    labour = Labour(nothing, 32, 1.0)
    counts = dict.fromkeys(NAMES, 64)
    with closing(LinkedFederation(settings, TASK, counts, labour, None, 1)) as fed:  # noqa: SIM117
        with pytest.raises(SimulationError, match="50 rounds in a row were abandoned"):
            fed.run(lambda row: None)


def test_a_federation_that_is_too_small_is_given_up_with_a_word():
    with (
        federation(min_gateways=7, min_reports=1, patience_s=300.0) as fed,
        pytest.raises(SimulationError, match="no round can open"),
    ):
        fed.run(lambda row: None)
