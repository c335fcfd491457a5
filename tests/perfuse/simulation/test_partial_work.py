"""A gateway whose time is nearly over hands in what it has learnt; it counts by its steps."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from broker.aggregator.service import task_of
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from edge_agent.trainer import Trained
from models.artifact import load_artifact
from perfuse.simulation.dataset import Dataset
from perfuse.simulation.labour import Labour
from perfuse.simulation.linked_federation import LinkedFederation
from perfuse.simulation.workforce import Bench

MODEL = "heart-mlp"
EXAMPLES = {"site-0": 60, "site-1": 96, "site-2": 640}
EPOCHS = 2
# Two seconds a step: two epochs take 8, 12 and 80 s.
STEP_MS, DEADLINE_S = 2000.0, 41.0


def table():
    generator = np.random.default_rng(7)
    x = generator.normal(size=(sum(EXAMPLES.values()), 13)).astype(np.float32) * 5 + 3
    y = (x[:, 0] + x[:, 1] > 6).astype(np.int32)
    return Dataset("table", x, y, np.repeat(list(EXAMPLES), list(EXAMPLES.values())))


def played(rounds):
    """Run one training round with the real trainer; returns rows, what was worked, and models."""
    artifact = load_artifact(MODEL)
    bench = Bench(MODEL, table(), list(EXAMPLES))
    worked, rows, models = [], [], []

    def perform(jobs):
        results = [bench.perform(job) for job in jobs]
        worked.extend(zip(jobs, results, strict=True))
        return results

    training = TrainingSettings(EPOCHS, 0.05, codec="none", model_codec="none", server_momentum=0.0)
    told = RoundSettings(rounds=1, min_gateways=3, min_examples=1, deadline_s=DEADLINE_S, **rounds)
    settings = AggregatorSettings("sim", told, training)
    labour = Labour(perform, artifact.spec.batch_size, STEP_MS)
    counts = {name: bench.count(name) for name in EXAMPLES}
    assert counts == EXAMPLES
    with closing(LinkedFederation(settings, task_of(artifact), counts, labour, None, 5)) as fed:
        fed.run(lambda row: (rows.append(row), models.append(fed.model()[2])))
    return rows, [(job, found) for job, found in worked if isinstance(found, Trained)], models


def test_a_partial_update_has_its_true_count_of_steps_and_its_weight():
    rows, worked, (before, after) = played({"min_reports": 3})
    assert [(row.reported, row.partial, row.committed) for row in rows] == [
        (3, 0, True),
        (3, 1, True),
    ]
    # Work that was done whole beforehand, with the others', is done again for the time there was.
    last = {job.gateway: found for job, found in worked}
    slow = last["site-2"]
    assert slow.num_examples == 640
    # Of 40 steps those that fit into nine tenths of the deadline, at the second's tick after it.
    assert 17 <= slow.steps <= 20
    assert slow.share == slow.steps / 40
    assert all(last[name].share == 1.0 for name in ("site-0", "site-1"))
    weights = {name: found.num_examples * found.share for name, found in last.items()}
    mean = sum(weights[name] * last[name].delta.astype(np.float64) for name in last)
    np.testing.assert_allclose(after, before + mean / sum(weights.values()), atol=1e-6)


def test_with_a_cap_the_work_goes_on_and_nothing_is_partial():
    rows, worked, _ = played({"min_reports": 2, "staleness_cap": 3})
    assert [(row.reported, row.partial) for row in rows] == [(3, 0), (2, 0)]
    assert all(found.share == 1.0 for _, found in worked)
