"""The layout of a model's vector, as codecs see it."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.compression import Layout, Shared, codec
from models.artifact import load_artifact
from models.spec import Role
from tests.broker.protocol.compression.chains import delta, generator, layout


def test_ranges_and_body_part_the_vector() -> None:
    found = layout()
    assert sorted([*found.ranges, *found.body]) == list(range(found.parameters))
    assert found.ranges.tolist() == [200, 201, 292, 293, 294, 295]
    assert found.edges.tolist() == [0, 200]
    assert not found.ranges_last


def test_a_plain_vector_has_one_block_and_no_ranges() -> None:
    found = Layout.plain(10)
    assert (found.parameters, found.ranges.size, found.edges.tolist()) == (10, 0, [0])
    assert found.ranges_last


@pytest.mark.parametrize("text", ["q8", "residual|topk=0.05|sign|golomb"])
def test_a_shipped_models_ranges_arrive_where_they_belong(text: str) -> None:
    blocks = load_artifact("shoulder-cnn1d").spec.layout
    found = Layout.of(blocks)
    places = [block.slice for block in blocks if block.role is Role.RANGE]
    vector = delta(found, 1)
    payload = codec(text).compress(vector, Shared(found), generator()).payload
    received = codec(text).decompress(payload, Shared(found)).dense()
    for place in places:
        assert np.allclose(received[place], vector[place], atol=0.05)
    assert len(places) * 2 == found.ranges.size
