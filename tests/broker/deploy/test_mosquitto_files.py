"""The configurations that a ward would use, on a real Mosquitto: who gets in, and who may speak."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.deploy.processes import (
    await_port,
    found_program,
    free_port,
    required_program,
    start,
    stop,
)
from broker.deploy.templates import filled
from broker.link import MqttLink
from broker.protocol.effects import Publish, Subscribe
from broker.protocol.topics import Topics
from broker.settings import BrokerSettings
from tests.broker.deploy.certificates import Authority
from tests.broker.test_link import LIMIT_S, User, run

HOST = "127.0.0.1"
FILES = Path(__file__).parents[3] / "broker" / "deploy" / "mosquitto"
TOPICS = Topics("ward")
GATEWAYS = ("bed-1", "bed-2")
PASSWORDS = {"aggregator": "a-secret", "bed-1": "one", "bed-2": "two"}


class Ward:
    """A Mosquitto that was started from one of the files."""

    def __init__(self, directory: Path, variant: str) -> None:
        self.variant = variant
        self.port = free_port(HOST)
        self.authority = Authority(directory)
        self.directory = directory
        self.authority.issue("broker", address=HOST)
        self._certificates = {name: self.authority.issue(name) for name in PASSWORDS}
        (directory / "perfuse.acl").write_text((FILES / "perfuse.acl").read_text())
        if variant == "password":
            self._write_passwords()
        config = directory / "mosquitto.conf"
        # Mosquitto gives up root's rights for a user who may not read here; we are nobody's root.
        text = filled(f"mosquitto/{variant}.conf", port=self.port, directory=directory)
        config.write_text(f"{text}user root\n")
        log = directory / "mosquitto.log"
        program = required_program("mosquitto", "mosquitto")
        self.process = start([program, "-c", str(config)], log)
        await_port("mosquitto", self.process, HOST, self.port, log)

    def settings(self, name: str, **changes: str) -> BrokerSettings:
        """What this client would have in its configuration file."""
        own: dict[str, str] = {"ca_file": str(self.authority.certificate)}
        if self.variant == "certificates":
            certificate, key = self._certificates[name]
            own |= {"cert_file": str(certificate), "key_file": str(key)}
        else:
            secret = self.directory / f"{name}.password"
            secret.write_text(f"{PASSWORDS[name]}\n")
            own |= {"username": name, "password_file": str(secret)}
        return BrokerSettings(f"mqtts://{HOST}:{self.port}", keepalive_s=5, **own | changes)

    def _write_passwords(self) -> None:
        maker = required_program("mosquitto", "mosquitto_passwd")
        path = self.directory / "passwords"
        path.touch()
        for name, password in PASSWORDS.items():
            subprocess.run([maker, "-b", str(path), name, password], check=True)


@pytest.fixture(scope="module", params=["password", "certificates"])
def ward(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ward]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    if found_program("mosquitto") is None:
        pytest.skip("Mosquitto is not installed")
    found = Ward(tmp_path_factory.mktemp(request.param), request.param)
    yield found
    stop(found.process)


@asynccontextmanager
async def client(settings: BrokerSettings, name: str):
    user = User()
    link = MqttLink(settings, name, Publish("w", b""), user)
    link.open()
    try:
        await user.until(lambda: user.connections)
        yield link, user
    finally:
        await link.close()


async def settled(link: MqttLink, user: User, topic: str) -> None:
    """Wait until the broker has dealt with everything that was asked before."""
    link.apply(Publish(topic, b"", token="settled"))
    await user.until(lambda: "settled" in user.tokens)


def test_a_gateway_speaks_for_itself_and_is_answered(ward: Ward) -> None:
    async def scenario() -> None:
        async with (
            client(ward.settings("aggregator"), "aggregator") as (aggregator, heard),
            client(ward.settings("bed-1"), "bed-1") as (bed, replies),
        ):
            for topic in (TOPICS.all_presence, TOPICS.all_offers, TOPICS.all_update_chunks):
                aggregator.apply(Subscribe(topic))
            bed.apply(Subscribe(TOPICS.reply("bed-1")))
            bed.apply(Subscribe(TOPICS.plan))
            bed.apply(Subscribe(TOPICS.blob_chunk(bytes(32), 0)))
            mine = [
                TOPICS.presence("bed-1"),
                TOPICS.offer("bed-1"),
                TOPICS.update_chunk("bed-1", bytes(32), 0),
            ]
            await settled(aggregator, heard, TOPICS.aggregator)
            for topic in mine:
                bed.apply(Publish(topic, b"x"))
            await heard.until(lambda: {t for t, _ in heard.got} >= set(mine))
            for topic in (
                TOPICS.plan,
                TOPICS.reply("bed-1"),
                TOPICS.blob_chunk(bytes(32), 0),
            ):
                aggregator.apply(Publish(topic, b"y"))
            await replies.until(lambda: len(replies.got) >= 3)

    run(scenario())


def test_a_gateway_cannot_write_where_another_or_the_aggregator_does(ward: Ward) -> None:
    async def scenario() -> None:
        async with client(ward.settings("aggregator"), "aggregator") as (aggregator, heard):
            aggregator.apply(Subscribe("perfuse/v1/#"))
            await settled(aggregator, heard, "perfuse/v1/ward/mark")
            for topic in (
                TOPICS.presence("bed-2"),
                TOPICS.offer("bed-2"),
                TOPICS.update_chunk("bed-2", bytes(32), 0),
                TOPICS.reply("bed-1"),
                TOPICS.reply("bed-2"),
                TOPICS.plan,
                TOPICS.model,
                TOPICS.aggregator,
                TOPICS.blob_chunk(bytes(32), 0),
            ):
                # Mosquitto acknowledges what it denies; over TLS it then ends the connection too.
                async with client(ward.settings("bed-1"), "bed-1") as (bed, told):
                    bed.apply(Publish(topic, b"forged", token="denied"))
                    await told.until(lambda told=told: told.tokens or told.losses)
            async with client(ward.settings("bed-1"), "bed-1") as (bed, _):
                bed.apply(Publish(TOPICS.offer("bed-1"), b"own"))
                await heard.until(lambda: (TOPICS.offer("bed-1"), b"own") in heard.got)
            assert b"forged" not in {payload for _, payload in heard.got}

    run(scenario())


def test_a_gateway_cannot_hear_what_another_is_told_or_sends(ward: Ward) -> None:
    async def scenario() -> None:
        async with (
            client(ward.settings("aggregator"), "aggregator") as (aggregator, _),
            client(ward.settings("bed-1"), "bed-1") as (bed, spied),
            client(ward.settings("bed-2"), "bed-2") as (other, answered),
        ):
            for topic in ("perfuse/v1/#", TOPICS.all_offers, TOPICS.reply("bed-2"), "#"):
                bed.apply(Subscribe(topic))
            bed.apply(Subscribe(TOPICS.reply("bed-1")))
            other.apply(Subscribe(TOPICS.reply("bed-2")))
            await settled(bed, spied, TOPICS.offer("bed-1"))
            await settled(other, answered, TOPICS.offer("bed-2"))
            aggregator.apply(Publish(TOPICS.reply("bed-2"), b"private"))
            aggregator.apply(Publish(TOPICS.reply("bed-1"), b"mine"))
            await answered.until(lambda: (TOPICS.reply("bed-2"), b"private") in answered.got)
            await spied.until(lambda: (TOPICS.reply("bed-1"), b"mine") in spied.got)
            foreign = {t for t, _ in spied.got if "/gateway/" in t}
            assert foreign == {TOPICS.reply("bed-1")}

    run(scenario())


def refused(settings: BrokerSettings) -> None:
    """Check that a client with these settings does not get in."""

    async def scenario() -> None:
        user = User()
        link = MqttLink(settings, "intruder", Publish("w", b""), user)
        link.open()
        try:
            async with asyncio.timeout(LIMIT_S):
                while not link._refused and not user.losses:
                    await asyncio.sleep(0.05)
        finally:
            await link.close()
        assert user.connections == 0

    run(scenario())


def test_who_shows_nothing_or_the_wrong_thing_does_not_get_in(ward: Ward, tmp_path: Path) -> None:
    authority = str(ward.authority.certificate)
    url = f"mqtts://{HOST}:{ward.port}"
    refused(BrokerSettings(url, ca_file=authority))
    if ward.variant == "password":
        wrong = tmp_path / "wrong"
        wrong.write_text("guessed\n")
        refused(ward.settings("bed-1", password_file=str(wrong)))
    else:
        certificate, key = Authority(tmp_path, "other").issue("bed-1")
        refused(ward.settings("bed-1", cert_file=str(certificate), key_file=str(key)))


# paho does not close the socket of a handshake that failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_whose_certificate_is_not_our_authoritys_is_not_trusted(
    ward: Ward, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    refused(ward.settings("bed-1", ca_file=str(other.certificate)))


def test_without_tls_nobody_gets_in(ward: Ward) -> None:
    refused(BrokerSettings(f"mqtt://bed-1:one@{HOST}:{ward.port}", keepalive_s=5))
