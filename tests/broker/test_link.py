"""The MQTT link on real brokers: what is retained, kept, sent again, and said."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

import broker.link
from broker.deploy.embedded import EmbeddedBroker
from broker.deploy.nats_cluster import NatsCluster
from broker.link import MqttLink, steady_unix_s
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.settings import BrokerSettings, SettingError

LIMIT_S = 20.0
Broker = EmbeddedBroker | NatsCluster


class User:
    """Remembers what the link told it, and can be waited for."""

    def __init__(self) -> None:
        self.connections = 0
        self.losses = 0
        self.got: list[tuple[str, bytes]] = []
        self.tokens: list[str] = []
        self.refuse: set[bytes] = set()
        self._changed = asyncio.Event()

    def connected(self) -> None:
        self.connections += 1
        self._changed.set()

    def disconnected(self) -> None:
        self.losses += 1
        self._changed.set()

    def received(self, topic: str, payload: bytes) -> None:
        self.got.append((topic, payload))
        self._changed.set()
        if payload in self.refuse:
            raise RuntimeError("not now")

    def published(self, token: str) -> None:
        self.tokens.append(token)
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def linked(
    urls: tuple[str, ...], client: str, user: User | None = None, will: Publish | None = None
) -> AsyncIterator[tuple[MqttLink, User]]:
    """An open link that has connected."""
    user = user or User()
    will = will or Publish(f"will/{client}", b"gone")
    link = MqttLink(BrokerSettings(urls=urls, keepalive_s=5), client, will, user)
    link.open()
    try:
        await user.until(lambda: user.connections)
        yield link, user
    finally:
        await link.close()


async def round_trip(link: MqttLink, user: User, topic: str) -> None:
    """Wait until the broker has done everything that was asked before."""
    link.apply(Subscribe(topic))
    link.apply(Publish(topic, b"mark"))
    await user.until(lambda: (topic, b"mark") in user.got)


def run(scenario: Awaitable[None]) -> None:
    async def within() -> None:
        # What a user raises is the loop's to log, not this test's to fail on.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await asyncio.wait_for(scenario, 3 * LIMIT_S)

    asyncio.run(within())


def test_what_is_published_comes_in_order_and_is_acknowledged(any_broker: Broker) -> None:
    async def scenario() -> None:
        async with linked(any_broker.urls, "order-r") as (reader, got):
            reader.apply(Subscribe("order/+"))
            await round_trip(reader, got, "order-mark")
            got.got.clear()
            async with linked(any_broker.urls, "order-w") as (writer, wrote):
                for i in range(50):
                    writer.apply(Publish(f"order/{i % 3}", bytes([i]), token=f"t{i}"))
                writer.apply(Publish("order/x", b"last"))
                await writer.drain(LIMIT_S)
                assert wrote.tokens == [f"t{i}" for i in range(50)]
                await got.until(lambda: len(got.got) >= 51)
                expected = [bytes([i]) for i in range(50)]
                assert [payload for _, payload in got.got] == [*expected, b"last"]

    run(scenario())


def test_what_is_retained_comes_with_a_subscription_until_it_is_cleared(
    any_broker: Broker,
) -> None:
    async def scenario() -> None:
        async with linked(any_broker.urls, "retain") as (link, user):
            link.apply(Publish("kept/1", b"one", retain=True))
            link.apply(Publish("kept/2", b"passing"))
            await link.drain(LIMIT_S)
            link.apply(Subscribe("kept/+"))
            # A cluster may still hand the passing one to a subscription that is new; the end of the
            # test shows that it was not retained.
            await user.until(lambda: ("kept/1", b"one") in user.got)
            link.apply(Unsubscribe("kept/+"))
            link.apply(Publish("kept/1", b"", retain=True))
            await link.drain(LIMIT_S)
            # A cluster's other nodes hear of it a moment later, and nothing tells when.
            async with asyncio.timeout(LIMIT_S):
                while not await is_clear(link, user):
                    await asyncio.sleep(0.1)

    async def is_clear(link: MqttLink, user: User) -> bool:
        user.got.clear()
        link.apply(Subscribe("kept/+"))
        await round_trip(link, user, "kept-mark")
        link.apply(Unsubscribe("kept/+"))
        return user.got == [("kept-mark", b"mark")]

    run(scenario())


def test_what_came_while_it_was_away_is_there_when_it_is_back(any_broker: Broker) -> None:
    async def scenario() -> None:
        async with linked(any_broker.urls, "away-r") as (reader, user):
            reader.apply(Subscribe("away"))
            await round_trip(reader, user, "away-mark")
        async with linked(any_broker.urls, "away-w") as (writer, _):
            for i in range(5):
                writer.apply(Publish("away", bytes([i])))
            await writer.drain(LIMIT_S)
        async with linked(any_broker.urls, "away-r") as (_, again):
            await again.until(lambda: len(again.got) == 5)
            assert [payload[0] for _, payload in again.got] == [0, 1, 2, 3, 4]

    run(scenario())


def test_what_its_user_refused_comes_again(mosquitto: EmbeddedBroker) -> None:
    async def scenario() -> None:
        first = User()
        first.refuse = {b"hard"}
        async with linked(mosquitto.urls, "refuse", first) as (link, user):
            link.apply(Subscribe("refuse"))
            for payload in (b"easy", b"hard", b"easy too"):
                link.apply(Publish("refuse", payload))
            await user.until(lambda: len(user.got) == 3)
        async with linked(mosquitto.urls, "refuse") as (link, again):
            await round_trip(link, again, "refuse-mark")
            assert again.got == [("refuse", b"hard"), ("refuse-mark", b"mark")]

    run(scenario())


_RECEIVE_AND_DIE = """
import asyncio, os, signal, sys
from broker.link import MqttLink
from broker.protocol.effects import Publish, Subscribe
from broker.settings import BrokerSettings

class User:
    def connected(self):
        link.apply(Subscribe("die"))
        link.apply(Publish("die", b"work"))
    def disconnected(self): pass
    def published(self, token): pass
    def received(self, topic, payload):
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    global link
    link = MqttLink(BrokerSettings(sys.argv[1]), "die", Publish("die/will", b"died"), User())
    link.open()
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_what_a_killed_client_had_not_done_comes_again_and_its_will_is_sent(
    mosquitto: EmbeddedBroker,
) -> None:
    async def scenario() -> None:
        async with linked(mosquitto.urls, "die-watcher") as (watcher, seen):
            watcher.apply(Subscribe("die/will"))
            await round_trip(watcher, seen, "die-mark")
            ended = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", _RECEIVE_AND_DIE, mosquitto.url],
                cwd=Path(__file__).parents[2],
                env=os.environ,
                check=False,
                timeout=LIMIT_S,
            )
            assert ended.returncode == -signal.SIGKILL
            await seen.until(lambda: ("die/will", b"died") in seen.got)
            async with linked(mosquitto.urls, "die") as (_, again):
                await again.until(lambda: again.got)
                assert again.got == [("die", b"work")]

    run(scenario())


def test_a_link_that_is_closed_in_order_leaves_no_will(any_broker: Broker) -> None:
    async def scenario() -> None:
        async with linked(any_broker.urls, "still-watcher") as (watcher, seen):
            watcher.apply(Subscribe("still/will"))
            async with linked(any_broker.urls, "still", will=Publish("still/will", b"died")):
                pass
            await round_trip(watcher, seen, "still-mark")
            assert seen.got == [("still-mark", b"mark")]

    run(scenario())


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_is_restarted_gets_what_was_said_meanwhile(tmp_path: Path, end: str) -> None:
    async def scenario() -> None:
        broker = EmbeddedBroker(tmp_path)
        broker.start()
        try:
            async with linked(broker.urls, "again") as (link, user):
                link.apply(Subscribe("again"))
                await round_trip(link, user, "again-mark")
                getattr(broker, end)()
                await user.until(lambda: user.losses)
                link.apply(Publish("again", b"meanwhile", token="kept"))
                broker.start()
                await user.until(lambda: user.connections == 2)
                # What a core does: a killed broker has forgotten the subscription.
                link.apply(Subscribe("again"))
                await user.until(lambda: user.tokens == ["kept"])
                link.apply(Publish("again", b"after"))
                await user.until(lambda: ("again", b"after") in user.got)
                await link.drain(LIMIT_S)
        finally:
            broker.stop()

    run(scenario())


def test_a_wrong_password_is_refused_and_said_once(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        user = User()
        url = f"mqtt://perfuse:wrong@127.0.0.1:{broker.port}"
        link = MqttLink(BrokerSettings(url), "wrong", Publish("w", b""), user)
        link.open()
        try:
            await user.until(lambda: user.losses)
        finally:
            await link.close()
        assert user.connections == 0

    with caplog.at_level(logging.ERROR, "broker.link"):
        run(scenario())
    (record,) = caplog.records
    assert f"127.0.0.1:{broker.port}" in record.message
    assert "authori" in record.message.lower()


def test_a_broker_that_is_not_there_is_said(
    unused_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(logging.Handler):
        def __init__(self, loop: asyncio.AbstractEventLoop, said: asyncio.Event) -> None:
            super().__init__(logging.ERROR)
            self.loop, self.said = loop, said

        def emit(self, record: logging.LogRecord) -> None:
            self.loop.call_soon_threadsafe(self.said.set)

    async def scenario() -> None:
        said = asyncio.Event()
        handler = Handler(asyncio.get_running_loop(), said)
        logging.getLogger("broker.link").addHandler(handler)
        url = f"mqtt://127.0.0.1:{unused_port}"
        link = MqttLink(BrokerSettings(url), "alone", Publish("w", b""), User())
        link.apply(Publish("t", b"kept"))
        link.open()
        try:
            await asyncio.wait_for(said.wait(), LIMIT_S)
            await link.drain(0.01)
        finally:
            logging.getLogger("broker.link").removeHandler(handler)
            await link.close()

    with caplog.at_level(logging.WARNING, "broker.link"):
        run(scenario())
    messages = [record.message for record in caplog.records]
    assert f"the broker at 127.0.0.1:{unused_port}: no connection; trying again" in messages
    assert "1 messages were not acknowledged" in messages


@pytest.fixture
def unused_port(tmp_path: Path) -> int:
    return EmbeddedBroker(tmp_path, "amqtt").port


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
def test_certificates_that_cannot_be_read_are_named_by_their_key(tmp_path: Path, key: str) -> None:
    async def scenario() -> None:
        settings = BrokerSettings("mqtts://b", **{key: str(tmp_path / "none.pem")})
        with pytest.raises(SettingError, match=r"none\.pem") as caught:
            MqttLink(settings, "tls", Publish("w", b""), User())
        assert caught.value.key == f"broker.{key}"

    run(scenario())


def test_steady_time_goes_on() -> None:
    assert steady_unix_s() <= steady_unix_s()


def test_clients_share_a_clusters_nodes_out_and_roam_when_one_is_killed(
    cluster: NatsCluster,
) -> None:
    async def scenario() -> None:
        names = [f"roam-{i}" for i in range(6)]
        async with AsyncExitStack() as stack:
            links = [await stack.enter_async_context(linked(cluster.urls, n)) for n in names]
            assert len({link._node for link, _ in links}) > 1
            for link, user in links:
                link.apply(Subscribe("roam/all"))
                await round_trip(link, user, f"roam-mark/{links.index((link, user))}")
            node = links[0][0]._node
            cluster.kill_node(node)
            on_it = [user for link, user in links if link._node == node]
            for i, (link, _) in enumerate(links):
                link.apply(Publish("roam/all", bytes([i])))
            for user in on_it:
                await user.until(lambda user=user: user.connections == 2)
            assert all(link._node != node for link, _ in links)
            everything = {bytes([i]) for i in range(len(links))}
            for _, user in links:
                await user.until(
                    lambda user=user: everything <= {p for t, p in user.got if t == "roam/all"}
                )

    run(scenario())


def test_a_session_goes_on_at_another_node_with_what_waited_for_it(cluster: NatsCluster) -> None:
    async def scenario() -> None:
        async with linked(cluster.urls, "session") as (reader, user):
            reader.apply(Subscribe("waits"))
            await round_trip(reader, user, "waits-mark")
            home = reader._node
        others = tuple(url for i, url in enumerate(cluster.urls) if i != home)
        async with linked(others, "session-writer") as (writer, _):
            cluster.kill_node(home)
            for i in range(50):
                writer.apply(Publish("waits", bytes([i])))
            await writer.drain(LIMIT_S)
        async with linked(cluster.urls, "session") as (_, again):
            await again.until(lambda: len({p for t, p in again.got if t == "waits"}) == 50)

    run(scenario())


def test_a_cluster_names_its_key() -> None:
    with pytest.raises(SettingError, match=r"broker\.urls: 'http://b'"):
        BrokerSettings(urls=("mqtt://a", "http://b"))
    with pytest.raises(SettingError, match="either all are mqtts"):
        BrokerSettings(urls=("mqtt://a", "mqtts://b"))


def test_links_of_one_id_do_not_oust_each_other_for_ever(
    any_broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers end the older connection."""
    monkeypatch.setattr(broker.link, "_FIRST_RECONNECT_S", 0)

    async def scenario() -> None:
        async with linked(any_broker.urls, "twin") as (_, first):  # noqa: SIM117
            async with linked(any_broker.urls, "twin") as (_, second):
                # Whoever waits for long leaves the connection to the other.
                await first.until(lambda: said(caplog))
                before = first.connections + second.connections
                await asyncio.sleep(1.0)
                assert first.connections + second.connections <= before + 1

    with caplog.at_level(logging.ERROR, "broker.link"):
        run(scenario())
    assert said(caplog)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if "seems to use the id twin too" in r.message]
