"""What the one open round takes. How it folds is tested in the coordinator's scenarios."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from broker.aggregator.errors import RoundError
from broker.aggregator.open_round import OpenRound
from broker.aggregator.rounds import Round, RoundState
from broker.protocol.cohort import Cohort
from broker.protocol.compression import Layout
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import (
    BlobReference,
    Mode,
    Plan,
    PlanKind,
    TierMode,
    TrainingPlan,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.statistics import encode_sums
from models.coordinates import Coordinates
from models.spec import ParameterBlock, Role

PLAN = Plan(
    1,
    "ward.1",
    PlanKind.STATISTICS,
    b"a" * 32,
    0,
    None,
    Cohort.of(("g1",)),
    "sums",
    TrainingPlan(1, 0.1, 0.9, 0.0),
    1,
    1000.0,
    0,
)
SUMS = encode_sums(np.array([4.0, 4, 8, 0, 20, 4]))


def offer(size: int = len(SUMS)) -> UpdateOffer:
    return UpdateOffer(
        UpdateId("ward.1", 0, "g1", 1), "sums", 4, 0.0, BlobReference(b"d" * 32, size, 256)
    )


def test_sums_become_the_normalisation() -> None:
    open_round = OpenRound(Round(1, PLAN, 1, RoundState.OPEN), Layout.plain(10), 2)
    assert open_round.reported == 0
    open_round.fold(offer(), open_round.decode(offer(), SUMS))
    assert open_round.reported == 1
    assert open_round.normalisation().mean == (2.0, 0.0)
    assert open_round.normalisation().std == (1.0, 1.0)


def test_sums_of_another_length_are_refused() -> None:
    open_round = OpenRound(Round(1, PLAN, 1, RoundState.OPEN), Layout.plain(10), 2)
    with pytest.raises(RemoteProtocolError):
        open_round.decode(offer(), SUMS[:-8])


def test_nothing_folded_gives_no_parameters() -> None:
    open_round = OpenRound(Round(1, PLAN, 1, RoundState.OPEN), Layout.plain(2), 1)
    with pytest.raises(RoundError):
        open_round.parameters(np.zeros(2, np.float32))


HEAD = Coordinates((ParameterBlock("scores.weight", (2,), 3, Role.WEIGHT),))
TRAIN = replace(
    PLAN,
    kind=PlanKind.TRAIN,
    model=BlobReference(b"m" * 32, 1, 1),
    codec="none",
    training=TrainingPlan(1, 0.1, 0.9, 0.0, modes=(TierMode("small", Mode.HEAD),)),
)


def part(mode: Mode, size: int) -> UpdateOffer:
    return replace(offer(size), codec="none", mode=mode)


def test_a_head_moves_what_it_touched() -> None:
    open_round = OpenRound(
        Round(1, TRAIN, 1, RoundState.OPEN), Layout.plain(5), 1, {Mode.HEAD: HEAD}
    )
    head, whole = part(Mode.HEAD, 8), part(Mode.FULL, 20)
    for found, values in ((head, [1.0, 2.0]), (whole, [1.0, 1.0, 1.0, 3.0, 4.0])):
        payload = np.array(values, "<f4").tobytes()
        open_round.fold(found, open_round.decode(found, payload))
    assert open_round.reported == 2
    assert open_round.parameters(np.zeros(5, np.float32)).tolist() == [1, 1, 1, 2, 3]
    with pytest.raises(RemoteProtocolError):
        open_round.decode(head, np.zeros(5, "<f4").tobytes())
