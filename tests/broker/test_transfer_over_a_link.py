"""A real transfer whose link is cut, on a real broker: only what is missing goes again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from broker.deploy.embedded import EmbeddedBroker
from broker.deploy.processes import await_port, required_program, start, stop
from broker.link import MqttLink
from broker.protocol import wire
from broker.protocol.effects import Publish, Subscribe
from broker.protocol.messages import Chunk, UpdateId, UpdateOffer, Want
from broker.protocol.topics import Topics
from broker.protocol.transfer import bitmap_of, cut, refer
from broker.settings import BrokerSettings
from edge_agent.download import Download
from edge_agent.upload import Upload
from perfuse.link.profiles import PROFILES
from perfuse.link.proxy import LinkProxy, Route, opened
from perfuse.link.timeline import Ending
from perfuse.simulation.identities import signer_of
from tests.broker.test_link import LIMIT_S, linked, run

TOPICS = Topics("ward")
CHUNK_BYTES = 16 * 1024
BLOB = np.random.default_rng(3).bytes(40 * CHUNK_BYTES)
REFERENCE = refer(BLOB, CHUNK_BYTES)
WINDOW = 4
# Topic, digest, packet headers, acknowledgements and handshakes, of each chunk.
ENVELOPE_BYTES = 700
# Four megabytes a second, so that the transfer lasts long enough to be cut.
PROFILE = replace(
    PROFILES["wifi"], up_bits_per_s=3.2e7, down_bits_per_s=3.2e7, stall_every_s=0, jitter_s=0
)


class Gateway:
    """Drives one of the gateway's transfers over a real link, as its participant does."""

    def __init__(self, proxy: LinkProxy, broker: EmbeddedBroker, name: str) -> None:
        self.connections = 0
        self.changed = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        user, password = broker.url.removeprefix("mqtt://").rpartition("@")[0].split(":")
        url = f"mqtt://{user}:{password}@127.0.0.1:{proxy.port}"
        settings = BrokerSettings(url, keepalive_s=5)
        self.link = MqttLink(settings, name, Publish("will", b""), self)

    def connected(self) -> None:
        self.connections += 1
        self.begin()
        self.changed.set()

    def disconnected(self) -> None:
        self.changed.set()

    def received(self, topic: str, payload: bytes) -> None:
        self.hear(topic, payload)
        self.changed.set()

    def published(self, token: str) -> None:
        self.sent(token)
        self.changed.set()

    def begin(self) -> None: ...

    def hear(self, topic: str, payload: bytes) -> None: ...

    def sent(self, token: str) -> None: ...

    def apply(self, effects) -> None:
        for effect in effects:
            self.link.apply(effect)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Fetching(Gateway):
    """Fetches the blob."""

    def __init__(self, proxy: LinkProxy, broker: EmbeddedBroker, name: str) -> None:
        super().__init__(proxy, broker, name)
        self.download = Download(TOPICS)
        self.chunks = 0
        self.blob = b""

    def begin(self) -> None:
        now = self.loop.time()
        self.apply(self.download.resume(now, link=True))
        self.apply(self.download.seek([REFERENCE], now, link=True))

    def hear(self, topic: str, payload: bytes) -> None:
        now = self.loop.time()
        self.chunks += 1
        whole, requests = self.download.take(topic, wire.decode(payload, Chunk), now)
        self.apply(requests)
        if whole is not None:
            self.blob = whole.blob()
        elif self.download.active:
            self.apply(self.download.seek([REFERENCE], now, link=True))

    async def ticking(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.apply(self.download.tick(self.loop.time()))


class Sending(Gateway):
    """Sends the blob as an update."""

    def __init__(self, proxy: LinkProxy, broker: EmbeddedBroker, name: str) -> None:
        super().__init__(proxy, broker, name)
        offer = UpdateOffer(UpdateId("plan", 0, name, 1), "none", 5, 0.1, REFERENCE)
        self.upload = Upload(TOPICS, signer_of("gw"), offer, BLOB)

    def begin(self) -> None:
        self.link.apply(Subscribe(TOPICS.reply("gw")))
        self.apply(self.upload.begin(self.loop.time()))

    def hear(self, topic: str, payload: bytes) -> None:
        self.apply(self.upload.wanted(wire.decode(payload, Want), self.loop.time()))

    def sent(self, token: str) -> None:
        self.apply(self.upload.published(token, self.loop.time()))


def bound(cuts: int) -> int:
    """The payload, what may be in flight at each cut, and every envelope."""
    again = cuts * WINDOW * CHUNK_BYTES
    return len(BLOB) + again + ENVELOPE_BYTES * (REFERENCE.chunks + cuts * WINDOW)


@pytest.mark.parametrize("cuts", [0, 2])
def test_a_download_that_is_cut_costs_the_missing_bytes(mosquitto: EmbeddedBroker, cuts) -> None:
    async def scenario() -> None:
        async with linked(mosquitto.urls, f"publisher-{cuts}") as (publisher, _):
            for chunk in cut(BLOB, REFERENCE, range(REFERENCE.chunks)):
                topic = TOPICS.blob_chunk(chunk.digest, chunk.index)
                publisher.apply(Publish(topic, wire.encode(chunk), retain=True))
            await publisher.drain(LIMIT_S)
        async with opened(LinkProxy(PROFILE, 1, Route("127.0.0.1", mosquitto.port))) as proxy:
            gateway = Fetching(proxy, mosquitto, f"fetching-{cuts}")
            gateway.link.open()
            ticking = asyncio.create_task(gateway.ticking())
            try:
                for number in range(cuts):
                    await gateway.until(lambda n=number: gateway.chunks >= 10 * (n + 1))
                    proxy.go_down(Ending.RESET)
                    proxy.come_up()
                    await gateway.until(lambda n=number: gateway.connections >= n + 2)
                await gateway.until(lambda: gateway.blob)
            finally:
                ticking.cancel()
                await gateway.link.close()
            assert gateway.blob == BLOB
            assert len(BLOB) < proxy.down.spent <= bound(cuts)

    run(scenario())


@pytest.mark.parametrize("cuts", [0, 2])
def test_an_upload_that_is_cut_costs_the_missing_bytes(mosquitto: EmbeddedBroker, cuts) -> None:
    async def scenario() -> None:
        got: dict[int, bytes] = {}
        async with (
            opened(LinkProxy(PROFILE, 1, Route("127.0.0.1", mosquitto.port))) as proxy,
            linked(mosquitto.urls, f"receiver-{cuts}") as (receiver, heard),
        ):
            name = f"sending-{cuts}"
            receiver.apply(Subscribe(f"perfuse/v1/ward/gateway/{name}/+"))
            receiver.apply(Subscribe(f"perfuse/v1/ward/gateway/{name}/chunk/+/+"))
            gateway = Sending(proxy, mosquitto, name)

            def take() -> bool:
                taken, heard.got[:] = list(heard.got), []
                for topic, payload in taken:
                    if topic.endswith("/offer"):
                        missing = [i for i in range(REFERENCE.chunks) if i not in got]
                        want = Want(
                            gateway.upload.offer.update,
                            REFERENCE.digest,
                            bitmap_of(missing, REFERENCE.chunks),
                        )
                        receiver.apply(Publish(TOPICS.reply("gw"), wire.encode(want)))
                    else:
                        chunk = wire.decode(payload, Chunk)
                        got[chunk.index] = chunk.data
                return len(got) == REFERENCE.chunks

            await receiver.drain(LIMIT_S)
            gateway.link.open()
            try:
                for number in range(cuts):
                    await heard.until(lambda n=number: take() or len(got) >= 10 * (n + 1))
                    proxy.go_down(Ending.RESET)
                    proxy.come_up()
                    await gateway.until(lambda n=number: gateway.connections >= n + 2)
                await heard.until(take)
            finally:
                await gateway.link.close()
            assert b"".join(got[i] for i in range(REFERENCE.chunks)) == BLOB
            assert len(BLOB) < proxy.up.spent <= bound(cuts)

    run(scenario())


def test_an_update_larger_than_the_brokers_limit_goes_in_chunks(tmp_path) -> None:
    async def scenario() -> None:
        broker = EmbeddedBroker(tmp_path, "mosquitto")
        broker.start()
        broker.stop()
        # The same file with a limit below the update and above a chunk.
        limited = (tmp_path / "mosquitto.conf").read_text().replace("1048576", "20000")
        assert len(BLOB) > 20_000 > CHUNK_BYTES
        (tmp_path / "mosquitto.conf").write_text(limited)
        log = tmp_path / "limited.log"
        command = [
            required_program("mosquitto", "mosquitto"),
            "-c",
            str(tmp_path / "mosquitto.conf"),
        ]
        process = start(command, log)
        try:
            await_port("mosquitto", process, "127.0.0.1", broker.port, log)
            async with linked(broker.urls, "limited") as (link, user):
                link.apply(Subscribe("perfuse/v1/ward/gateway/gw/#"))
                offer = UpdateOffer(UpdateId("plan", 0, "gw", 1), "none", 5, 0.1, REFERENCE)
                upload = Upload(TOPICS, signer_of("gw"), offer, BLOB)
                missing = bitmap_of(range(REFERENCE.chunks), REFERENCE.chunks)
                for effect in upload.wanted(Want(offer.update, REFERENCE.digest, missing), 0.0):
                    link.apply(effect)
                done = 0
                while len(user.got) < REFERENCE.chunks:
                    await user.until(lambda done=done: len(user.tokens) > done or user.losses)
                    assert not user.losses
                    for token in user.tokens[done:]:
                        done += 1
                        for effect in upload.published(token, 0.0):
                            link.apply(effect)
                    await asyncio.sleep(0)
                    if done == REFERENCE.chunks:
                        await user.until(lambda: len(user.got) == REFERENCE.chunks)
                # In one piece it would end the connection instead.
                link.apply(Publish("perfuse/v1/ward/gateway/gw/whole", BLOB))
                await user.until(lambda: user.losses)
        finally:
            stop(process)

    run(scenario())
