"""A weaker gateway's part: its tier's mode, and an update of what that touched alone."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from broker.protocol.cohort import Cohort
from broker.protocol.messages import (
    BlobReference,
    Mode,
    Plan,
    PlanKind,
    TierMode,
    TrainingPlan,
)
from broker.protocol.model_blob import pack_model
from broker.protocol.transfer import refer
from edge_agent.effects import Identity
from edge_agent.journal import Journal
from edge_agent.shelf import ModelShelf
from edge_agent.trainer import Trained
from edge_agent.work import PlanWork
from models.coordinates import Coordinates
from models.normalisation import Normalisation
from models.spec import ParameterBlock, Role

ARTIFACT = b"a" * 32
HEAD = Coordinates((ParameterBlock("scores.weight", (2,), 3, Role.WEIGHT),))
DELTA = np.array([0, 0, 0, 0.5, -0.25], np.float32)
BLOB = pack_model(0, ARTIFACT, Normalisation((0.0,), (1.0,)), np.zeros(5, np.float32))


def plan(modes: tuple[TierMode, ...], scaffold: bool = False) -> Plan:
    training = TrainingPlan(1, 0.1, 0.9, 0.0, scaffold, modes=modes)
    return Plan(1, "ward.1", PlanKind.TRAIN, ARTIFACT, 0, refer(BLOB, 512),
                Cohort.of(("g1",)), "none", training, 1, 2e6, 7)  # fmt: skip


@pytest.mark.parametrize(
    ("tier", "modes", "expected"),
    [
        ("small", (TierMode("small", Mode.HEAD),), Mode.HEAD),
        ("full", (TierMode("small", Mode.HEAD),), Mode.FULL),
        ("small", (), Mode.FULL),
        # The artifact has no such mode: it would train all that there is.
        ("small", (TierMode("small", Mode.SPARSE),), Mode.FULL),
    ],
)
def test_a_tier_trains_in_its_mode_and_sends_what_that_touched(
    tier: str, modes: tuple[TierMode, ...], expected: Mode
) -> None:
    identity = Identity("ward", "g1", ARTIFACT, 5, tier=tier, touched={Mode.HEAD: HEAD})
    with closing(Journal(":memory:", "ward/g1", ARTIFACT)) as journal:
        shelf = ModelShelf(identity, journal)
        reference: BlobReference = refer(BLOB, 512)
        shelf.keep(reference.digest, BLOB)
        work = PlanWork(identity, journal, shelf)
        asked = plan(modes)
        assert work.offered(asked, 0.0) == []
        (start,) = work.start(1.0, 100)
        assert start.mode is expected
        work.worked(asked, Trained(DELTA, 20, 0.5, 4))
        pending = journal.pending()
        assert pending is not None
        offer, payload = pending[:2]
        assert offer.mode is expected
        sent = HEAD.take(DELTA) if expected is Mode.HEAD else DELTA
        assert payload == sent.astype("<f4").tobytes()


def test_a_control_variate_is_of_all_layers_or_not_at_all() -> None:
    identity = Identity("ward", "g1", ARTIFACT, 5, tier="small", touched={Mode.HEAD: HEAD})
    with closing(Journal(":memory:", "ward/g1", ARTIFACT)) as journal:
        shelf = ModelShelf(identity, journal)
        shelf.keep(refer(BLOB, 512).digest, BLOB)
        work = PlanWork(identity, journal, shelf)
        asked = plan((TierMode("small", Mode.HEAD),), scaffold=True)
        work.offered(asked, 0.0)
        work.start(1.0, 100)
        work.worked(asked, Trained(DELTA, 20, 0.5, 4))
        assert journal.control_variate() is None
