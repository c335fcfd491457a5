"""Real brokers, started once a module and stopped with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from broker.deploy.embedded import EmbeddedBroker


@pytest.fixture(scope="module", params=["mosquitto", "amqtt"])
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedBroker]:
    """A running broker, each kind that is installed."""
    yield from _running(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A running Mosquitto."""
    yield from _running("mosquitto", tmp_path_factory)


def _running(kind: str, folders: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    if kind == "mosquitto" and not _mosquitto_is_installed():
        pytest.skip("Mosquitto is not installed")
    if kind == "amqtt":
        pytest.importorskip("amqtt")
    broker = EmbeddedBroker(folders.mktemp(kind), kind)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _mosquitto_is_installed() -> bool:
    from broker.deploy.embedded import available

    return available() == "mosquitto"
