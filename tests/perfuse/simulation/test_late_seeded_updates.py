"""Codecs that draw coordinates from the plan's seed: a late update is read with its own plan's."""

from __future__ import annotations

import hashlib
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest

from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.aggregator.task import Task
from broker.protocol.compression import Layout, Shared, codec
from edge_agent.trainer import Trained
from models.normalisation import Normalisation
from perfuse.simulation.labour import Labour
from perfuse.simulation.linked_federation import LinkedFederation

PARAMETERS = 200
CODEC = "randk=0.2"
TASK = Task(
    hashlib.sha256(b"artifact").digest(),
    np.zeros(PARAMETERS, np.float32),
    2,
    Normalisation((0.0, 1.0), (1.0, 2.0)),
)
# At half a second a step of 32 examples the last one needs 7 s, the others 1 s.
EXAMPLES = {"gw-0": 64, "gw-1": 64, "gw-2": 64, "gw-slow": 448}
SCHEDULES = {
    "semi-synchronous": {"deadline_s": 3.0, "staleness_cap": 4, "min_reports": 2},
    "asynchronous": {"buffer": 3, "staleness_cap": 20, "min_reports": 1},
}


def sent(delta, seed):
    """What a gateway's codec makes of float32[P] under a plan's seed, read with that seed again."""
    shared, way = Shared(Layout.plain(PARAMETERS), seed), codec(CODEC)
    payload = way.compress(delta, shared, np.random.default_rng(0), None).payload
    return way.decompress(payload, shared).dense()


class Books:
    """Who learnt what for which plan, with which seed, and what the log was given."""

    def __init__(self):
        self.learnt, self.seeds, self.accepted = {}, {}, []

    def perform(self, jobs):
        return [self._work(job) for job in jobs]

    def _work(self, job):
        plan = job.work.plan
        key = (job.gateway, plan.plan)
        drawn = np.random.default_rng([plan.seed, list(EXAMPLES).index(job.gateway)])
        self.learnt[key] = drawn.normal(size=PARAMETERS).astype(np.float32)
        self.seeds[plan.plan] = plan.seed
        return Trained(self.learnt[key], EXAMPLES[job.gateway], 0.5, 2)

    def watch(self, log):
        accept = log.accept

        def watched(offer, payload, number, discount=1.0):
            self.accepted.append((offer, number, discount))
            accept(offer, payload, number, discount)

        log.accept = watched

    def mean(self, number, seed_of):
        """The float64[P] step of a round, each update read with the seed that it has."""
        total, weights = np.zeros(PARAMETERS), 0
        for offer, counted, discount in self.accepted:
            key = (offer.update.gateway, offer.update.plan)
            if counted == number:
                total += offer.num_examples * discount * sent(self.learnt[key], seed_of(offer))
                weights += offer.num_examples
        return total / weights


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("mode", SCHEDULES)
def test_what_is_folded_is_what_was_sent(mode, restarts):
    """With a restart, the late update is folded anew from the log, before its round ends."""
    rounds = RoundSettings(rounds=14, min_gateways=4, min_examples=1, **SCHEDULES[mode])
    training = TrainingSettings(codec=CODEC, model_codec="none", server_momentum=0.0)
    settings = AggregatorSettings("sim", rounds, training)
    books, models, late = Books(), [np.zeros(PARAMETERS)], []
    labour = Labour(books.perform, 32, 500.0)
    with closing(LinkedFederation(settings, TASK, EXAMPLES, labour, None, 5)) as fed:
        books.watch(fed._log)
        fed.start()
        while not fed.aggregator.finished:
            fed.queue.step()
            found = [entry for entry in books.accepted if entry[2] < 1]
            if restarts and len(found) > len(late):
                fed.aggregator.crash(0.1)
            late = found
            models += [fed.model()[2] for _ in fed.take_ended()]
    assert "gw-slow" in {offer.update.gateway for offer, _, _ in late}
    for number, (before, after) in enumerate(pairwise(models), 1):
        own = books.mean(number, lambda offer: books.seeds[offer.update.plan])
        np.testing.assert_allclose(after - before, own, atol=1e-5)
    # Read with the seed of the round that they count in they would be something else.
    late_in = late[0][1]
    wrong = books.mean(late_in, lambda offer: fed_seed(settings, late_in))
    assert np.abs(wrong - (models[late_in] - models[late_in - 1])).max() > 0.01


def fed_seed(settings, number):
    """The seed of a round's plan."""
    return (settings.seed * 1_000_003 + number) % 2**63
