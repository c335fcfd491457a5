"""A broker of one's own: started, stopped, killed, and nothing left behind."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from broker.deploy.embedded import BrokerError, EmbeddedBroker
from broker.settings import BrokerSettings


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_accepts_connections_on_the_loopback_alone(broker: EmbeddedBroker) -> None:
    settings = BrokerSettings(broker.url)
    assert settings.addresses == (("127.0.0.1", broker.port),)
    assert settings.credentials() is not None
    assert accepts(broker.port)
    with socket.socket(socket.AF_INET) as other:
        # Another address of this machine: nothing listens there.
        assert other.connect_ex(("127.0.0.2", broker.port)) != 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_its_process_ends_and_can_be_started_again_on_its_port(tmp_path: Path, end: str) -> None:
    broker = EmbeddedBroker(tmp_path / "new")
    broker.start()
    url, pid = broker.url, broker.pid
    getattr(broker, end)()
    assert not is_alive(pid)
    assert not accepts(broker.port)
    with pytest.raises(BrokerError, match="is not running"):
        _ = broker.pid
    broker.start()
    try:
        assert accepts(broker.port)
        assert broker.url == url
    finally:
        broker.stop()
    broker.stop()


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_a_port_that_is_taken_is_said(tmp_path: Path, kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = EmbeddedBroker(tmp_path, kind, taken.getsockname()[1])
        with pytest.raises(BrokerError, match="already in use") as caught:
            broker.start()
        assert caught.value.broker == kind


def test_the_last_words_of_a_broker_that_ends_at_once_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = EmbeddedBroker(tmp_path, "amqtt")
    command = [sys.executable, "-c", "raise SystemExit('no licence')"]
    monkeypatch.setattr(EmbeddedBroker, "_amqtt", lambda _: command)
    with pytest.raises(BrokerError, match="ended at once: no licence"):
        broker.start()
    with pytest.raises(BrokerError, match="is not running"):
        _ = broker.pid


def test_passwords_are_made_for_each_run(tmp_path: Path) -> None:
    assert EmbeddedBroker(tmp_path, "amqtt").url != EmbeddedBroker(tmp_path, "amqtt").url
