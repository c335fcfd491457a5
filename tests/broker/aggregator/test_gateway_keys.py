"""Which key a gateway is known by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from broker.aggregator.gateway_keys import GatewayKeys
from broker.aggregator.round_log import RoundLog

ONE, OTHER = b"1" * 32, b"2" * 32


@pytest.fixture
def log() -> Iterator[RoundLog]:
    with closing(RoundLog(":memory:", "ward", b"a" * 32)) as log:
        yield log


def test_the_first_key_is_pinned_and_no_other_taken(log: RoundLog) -> None:
    keys = GatewayKeys(log)
    assert keys.known("g1") is None
    assert keys.refusal("g1", ONE) == ""
    for found in (keys, GatewayKeys(log)):
        assert found.known("g1") == ONE
        assert found.refusal("g1", ONE) == ""
        assert "pinned is 31313131" in found.refusal("g1", OTHER)
        assert found.known("g1") == ONE


def test_a_key_that_was_forgotten_can_be_another(log: RoundLog) -> None:
    GatewayKeys(log).refusal("g1", ONE)
    assert log.forget_gateway_key("g1")
    assert not log.forget_gateway_key("g1")
    assert GatewayKeys(log).refusal("g1", OTHER) == ""


def test_a_list_goes_before_what_was_pinned(log: RoundLog) -> None:
    GatewayKeys(log).refusal("g1", ONE)
    keys = GatewayKeys(log, {"g1": OTHER})
    assert keys.refusal("g1", OTHER) == ""
    assert "listed is 32323232" in keys.refusal("g1", ONE)
    assert OTHER.hex() in keys.refusal("g2", OTHER)
    assert keys.known("g2") is None
