"""Synchronous, semi-synchronous and asynchronous federations differ as they must."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pytest

from broker.aggregator.events import UpdateAccepted
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.aggregator.task import Task
from edge_agent.trainer import Trained
from models.normalisation import Normalisation
from perfuse.simulation.labour import Labour
from perfuse.simulation.linked_federation import LinkedFederation, LinkedRoundEnd

PARAMETERS = 50
KNOWN = Normalisation((0.0, 1.0), (1.0, 2.0))
ARTIFACT = hashlib.sha256(b"artifact").digest()
TASK = Task(ARTIFACT, np.zeros(PARAMETERS, np.float32), 2, KNOWN)
# At half a second a step of 32 examples the last one needs 7 s, the others 1 s.
EXAMPLES = {f"gw-{i}": 64 for i in range(5)} | {"gw-slow": 448}
NAMES = list(EXAMPLES)
SLOW = NAMES.index("gw-slow")


@dataclass
class Played:
    """What a federation has done: each version's way, and the updates that made it."""

    rows: list[LinkedRoundEnd] = field(default_factory=list)
    moved: list[np.ndarray] = field(default_factory=list)
    accepted: list[list[UpdateAccepted]] = field(default_factory=lambda: [[]])
    seconds: float = 0.0

    @property
    def late(self):
        return [event for round_ in self.accepted for event in round_ if event.staleness]


def perform(jobs):
    """Move one parameter by one, each gateway its own, by as much as it had time for."""
    return [
        Trained(
            np.float32(job.share) * np.float32(np.arange(PARAMETERS) == NAMES.index(job.gateway)),
            EXAMPLES[job.gateway],
            0.5,
            2,
            job.share,
        )
        for job in jobs
    ]


def play(step_ms=500.0, **rounds):
    told = {"rounds": 8, "min_gateways": 6, "min_reports": 2, "min_examples": 1} | rounds
    training = TrainingSettings(codec="none", model_codec="none", server_momentum=0.0)
    settings = AggregatorSettings("sim", RoundSettings(**told), training)
    labour = Labour(perform, 32, step_ms)
    played = Played()
    with closing(LinkedFederation(settings, TASK, EXAMPLES, labour, None, 5)) as fed:
        happened, before = fed.aggregator._happened, [np.zeros(PARAMETERS)]

        def listen(event):
            if isinstance(event, UpdateAccepted):
                played.accepted[-1].append(event)
            happened(event)

        def ended(row):
            _, _, parameters = fed.model()
            played.rows.append(row)
            played.moved.append(parameters - before[0])
            before[0] = parameters
            played.accepted.append([])

        fed.aggregator._happened = listen
        fed.run(ended)
        played.seconds = fed.queue.now_s
    return played


def require_folded(played: Played, power: float) -> None:
    """Every version is its updates' mean by examples and steps, the late ones discounted."""
    for row, moved, accepted in zip(played.rows, played.moved, played.accepted, strict=False):
        expected, weights = np.zeros(PARAMETERS), 0.0
        for event in accepted:
            weight = event.num_examples * event.share
            discounted = weight * (1 + event.staleness) ** -power
            expected[NAMES.index(event.gateway)] += discounted * event.share
            weights += weight
        if row.committed:
            np.testing.assert_allclose(moved, expected / weights, atol=1e-6)
        assert row.late == sum(event.staleness > 0 for event in accepted)
        assert row.partial == sum(event.share < 1 for event in accepted)


@pytest.fixture(scope="module")
def synchronous():
    return play()


@pytest.fixture(scope="module")
def asynchronous():
    return play(rounds=16, buffer=3, staleness_cap=20, staleness_power=1.0)


def test_a_synchronous_round_waits_for_the_slowest_and_nobody_is_late(synchronous):
    require_folded(synchronous, 0.5)
    assert not synchronous.late
    assert all(row.reported == 6 for row in synchronous.rows)
    assert all(row.virtual_seconds >= 7.0 for row in synchronous.rows)
    assert all(moved[SLOW] for moved in synchronous.moved)


def test_over_selection_does_not_wait_for_the_slowest(synchronous):
    played = play(cohort=5, over_selection=0.2)
    require_folded(played, 0.5)
    assert all(row.cohort == 6 and row.reported == 5 for row in played.rows)
    assert not any(moved[SLOW] for moved in played.moved)
    assert played.seconds < 0.5 * synchronous.seconds


def test_semi_synchronous_rounds_take_who_missed_the_deadline_discounted(synchronous):
    played = play(deadline_s=3.0, staleness_cap=4, staleness_power=2.0)
    require_folded(played, 2.0)
    assert {event.gateway for event in played.late} == {"gw-slow"}
    assert {event.staleness for event in played.late} <= {1, 2, 3, 4}
    assert all(row.virtual_seconds < 5.0 for row in played.rows)
    # At once with 448 of 768 examples, discounted to a ninth by two versions.
    steps = [moved[SLOW] for moved in played.moved if moved[SLOW]]
    assert 0 < max(steps) < 448 / 768 / 4 < synchronous.moved[0][SLOW]
    assert played.seconds < 0.6 * synchronous.seconds


def test_without_a_cap_who_misses_the_deadline_hands_in_what_there_is_of_it():
    # Ticks are of a second; with 2 s a step the slowest one needs 28 s.
    played = play(step_ms=2000.0, deadline_s=12.0, min_reports=6)
    require_folded(played, 0.5)
    assert not played.late
    assert all(row.committed and row.reported == 6 and row.partial == 1 for row in played.rows)
    shares = {e.share for e in played.accepted[0] if e.gateway == "gw-slow"}
    assert len(shares) == 1
    assert 0.9 * 12.0 / 28.0 < shares.pop() < 12.0 / 28.0


def test_asynchronous_rounds_wait_for_nobody_and_the_fast_report_more(synchronous, asynchronous):
    require_folded(asynchronous, 1.0)
    assert all(row.reported == 3 for row in asynchronous.rows)
    assert asynchronous.seconds < 0.5 * synchronous.seconds  # of twice as many rounds
    slow = [event for event in asynchronous.late if event.gateway == "gw-slow"]
    assert slow
    assert max(event.staleness for event in slow) > 2


def test_an_update_beyond_the_cap_is_refused():
    played = play(buffer=3, staleness_cap=1, rounds=12)
    require_folded(played, 0.5)
    assert {event.staleness for event in played.late} == {1}
    assert "gw-slow" not in {event.gateway for round_ in played.accepted for event in round_}
