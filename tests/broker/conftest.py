"""Real brokers, started once a module and stopped with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broker.deploy.embedded import EmbeddedBroker, installed
from broker.deploy.nats_cluster import NatsCluster
from broker.deploy.processes import found_program

Broker = EmbeddedBroker | NatsCluster


@pytest.fixture(scope="module", params=["mosquitto", "amqtt"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedBroker]:
    """A running broker of one process, each kind that is installed."""
    yield from _embedded(request.param, tmp_path_factory)


@pytest.fixture(scope="module", params=["mosquitto", "amqtt", "nats"])
def any_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    """A running broker or cluster, each kind that is installed."""
    if request.param == "nats":
        yield from _cluster(tmp_path_factory)
    else:
        yield from _embedded(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A running Mosquitto."""
    yield from _embedded("mosquitto", tmp_path_factory)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """A running cluster of one's own, to break."""
    yield from _cluster(tmp_path_factory)


def _embedded(kind: str, folders: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    if kind not in installed():
        pytest.skip(f"{kind} is not installed")
    broker = EmbeddedBroker(folders.mktemp(kind), kind)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _cluster(folders: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    if found_program("nats-server") is None:
        pytest.skip("nats-server is not installed")
    cluster = NatsCluster(folders.mktemp("nats"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
