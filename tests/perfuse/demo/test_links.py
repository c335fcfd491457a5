"""The demo's links: each gateway reaches the broker through a link of its own that is cut."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from broker.settings import SettingError
from perfuse.demo.links import Links, LinkState
from perfuse.link.profiles import PROFILES, PeriodicOutages

LIMIT_S = 20
# Down for a second after half a second, and then no more.
CUT = replace(PROFILES["wifi"], outages=PeriodicOutages(0.5, 1000, 1.0), stall_every_s=0)


async def echo(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


async def until(condition):
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def test_each_gateway_has_a_link_that_is_cut_and_comes_back():
    async def scenario():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        links = Links(CUT, 1.0)
        async with server, links.opened(f"mqtt://me:s%40crt@127.0.0.1:{port}", ["gw-01", "gw-02"]):
            urls = [urlsplit(str(links.broker(name)["url"])) for name in ("gw-01", "gw-02")]
            assert {(url.username, url.password) for url in urls} == {("me", "s%40crt")}
            assert len({urls[0].port, urls[1].port, port}) == 3
            reader, writer = await asyncio.open_connection("127.0.0.1", urls[0].port)
            writer.write(b"0123456789")
            assert await asyncio.wait_for(reader.readexactly(10), LIMIT_S) == b"0123456789"
            assert links.carried_bytes == (10, 10)
            await until(lambda: not links.state("gw-01").up)
            assert links.state("gw-01") == LinkState(up=False, carried_bytes=20)
            await until(lambda: links.state("gw-01").up)
            await until(lambda: links.outages == 2)
            writer.close()

    asyncio.run(scenario())


def test_without_a_profile_all_share_the_brokers_address():
    async def scenario():
        links = Links(None, 1.0)
        async with links.opened("mqtts://broker.example.org", ["gw-01"]):
            assert links.broker("gw-01") == {"url": "mqtts://broker.example.org"}
            assert links.state("gw-01") is None
            assert links.enough(8) == (8, 8)
            assert links.patience_s == 0

    asyncio.run(scenario())


def test_what_is_waited_for_knows_the_links_outages_and_speed():
    links = Links(PROFILES["up-10-percent"], 30.0)
    assert links.enough(8) == (1, 1)
    assert links.patience_s == pytest.approx(2 * 540 / 30)


def test_no_link_stands_before_a_broker_with_a_certificate():
    async def scenario():
        async with Links(CUT, 1.0).opened("mqtts://broker.example.org", ["gw-01"]):
            pass

    with pytest.raises(SettingError, match="with --link it is mqtt://"):
        asyncio.run(scenario())
