"""The proxy on real sockets: what passes, what a cut leaves, and who is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import numpy as np
import pytest

from perfuse.link.profiles import PROFILES, PeriodicOutages
from perfuse.link.proxy import LinkError, LinkProxy, Route, opened
from perfuse.link.timeline import Ending, EventKind, LinkEvent, Timeline

LIMIT_S = 20.0
QUICK = replace(PROFILES["wifi"], delay_s=0.0, jitter_s=0.0, stall_every_s=0, up_bits_per_s=8e7)
SLOW = replace(QUICK, up_bits_per_s=8e6, down_bits_per_s=8e6)  # a million bytes a second
PAYLOAD = np.random.default_rng(5).bytes(400_000)


class Sink:
    """A server that keeps what it reads, and says how each connection ended."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.connections = 0
        self.endings: list[str] = []
        self.changed = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        self.changed.set()
        ending = "closed"
        try:
            while data := await reader.read(65_536):
                self.got += data
                self.changed.set()
        except ConnectionResetError:
            ending = "reset"
        self.endings.append(ending)
        self.changed.set()
        writer.close()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def through(profile, seed=1, **how) -> AsyncIterator[tuple[LinkProxy, Sink]]:
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with opened(LinkProxy(profile, seed, Route("127.0.0.1", port), **how)) as proxy:
            yield proxy, sink
    finally:
        server.close()


async def dial(proxy: LinkProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 2 * LIMIT_S))


def test_bytes_pass_both_ways_whole_and_are_counted():
    async def scenario():
        async with through(QUICK) as (proxy, sink):
            reader, writer = await dial(proxy)
            writer.write(PAYLOAD)
            await sink.until(lambda: len(sink.got) == len(PAYLOAD))
            assert bytes(sink.got) == PAYLOAD
            sink.writers[0].write(PAYLOAD[::-1])
            assert await reader.readexactly(len(PAYLOAD)) == PAYLOAD[::-1]
            writer.write_eof()
            await sink.until(lambda: sink.endings == ["closed"])
            assert await reader.read() == b""
            writer.close()
            for traffic in (proxy.up, proxy.down):
                assert traffic.spent == traffic.delivered == len(PAYLOAD)

    run(scenario)


def test_a_rate_and_a_delay_take_at_least_their_time():
    async def scenario():
        profile = replace(SLOW, delay_s=0.05)
        async with through(profile) as (proxy, sink):
            _, writer = await dial(proxy)
            loop = asyncio.get_running_loop()
            began = loop.time()
            writer.write(PAYLOAD[:200_000])
            await sink.until(lambda: len(sink.got) == 200_000)
            assert loop.time() - began >= 0.24
            writer.close()

    run(scenario)


def test_speed_is_a_link_of_a_faster_world():
    async def scenario():
        # Five seconds at 80 kB/s, a hundred times as fast.
        profile = replace(SLOW, up_bits_per_s=640_000)
        async with through(profile, speed=100) as (proxy, sink):
            _, writer = await dial(proxy)
            writer.write(PAYLOAD)
            await sink.until(lambda: len(sink.got) == len(PAYLOAD))
            assert proxy.now_s >= 5.0
            writer.close()

    run(scenario)


def test_a_reset_cuts_in_the_middle_of_a_packet_and_tells_both_ends():
    async def scenario():
        async with through(SLOW) as (proxy, sink):
            reader, writer = await dial(proxy)
            writer.write(PAYLOAD)
            await sink.until(lambda: len(sink.got) > 50_000)
            proxy.go_down(Ending.RESET)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await sink.until(lambda: sink.endings)
            assert sink.endings == ["reset"]
            assert 50_000 < len(sink.got) < len(PAYLOAD)
            assert bytes(sink.got) == PAYLOAD[: len(sink.got)]
            # What was in flight is spent; what had not left is not.
            assert len(sink.got) <= proxy.up.spent <= len(sink.got) + 70_000
            # Refused until the link is back.
            with contextlib.suppress(ConnectionResetError):
                late, late_writer = await dial(proxy)
                assert await late.read() == b""
                late_writer.close()
            assert sink.connections == 1
            proxy.come_up()
            _, again = await dial(proxy)
            again.write(b"back")
            await sink.until(lambda: sink.got.endswith(b"back"))
            again.close()

    run(scenario)


def test_a_silent_end_tells_nobody_and_leaves_the_other_side_half_open():
    async def scenario():
        async with through(QUICK) as (proxy, sink):
            _, writer = await dial(proxy)
            writer.write(b"before")
            await sink.until(lambda: sink.got == b"before")
            proxy.go_down(Ending.SILENT)
            proxy.come_up()
            # The old connection is dead although the link is up again; neither end knows.
            writer.write(b"lost")
            await writer.drain()
            fresh, fresh_writer = await dial(proxy)
            fresh_writer.write(b" after")
            await sink.until(lambda: sink.got == b"before after")
            # One side is gone without FIN or RST: the server still believes in it.
            writer.close()
            await writer.wait_closed()
            fresh_writer.write_eof()
            await sink.until(lambda: sink.endings)
            assert await fresh.read() == b""
            fresh_writer.close()
            assert sink.connections == 2
            assert len(sink.endings) == 1
            assert not sink.writers[0].is_closing()

    run(scenario)


def test_who_dials_into_silence_gets_through_when_the_link_is_back():
    async def scenario():
        async with through(QUICK) as (proxy, sink):
            proxy.go_down(Ending.SILENT)
            _, writer = await dial(proxy)
            writer.write(b"patience")
            await asyncio.sleep(0)
            assert sink.connections == 0
            proxy.come_up()
            await sink.until(lambda: sink.got == b"patience")
            writer.close()

    run(scenario)


def test_it_plays_the_timeline_that_its_seed_gives():
    said: list[LinkEvent] = []

    async def scenario():
        enough = asyncio.Event()

        def note(event: LinkEvent) -> None:
            said.append(event)
            if len(said) == 6:
                enough.set()

        proxy = LinkProxy(PROFILES["ambulance"], 7, Route("127.0.0.1", 9), speed=1000, said=note)
        async with opened(proxy):
            await asyncio.wait_for(enough.wait(), LIMIT_S)
            assert proxy.now_s >= said[5].at_s

    run(scenario)
    timeline_rng, _ = np.random.default_rng(7).spawn(2)
    expected = Timeline(PROFILES["ambulance"], timeline_rng).events(1e5)
    outages = (event for event in expected if event.kind is not EventKind.STALL)
    assert said[:6] == [next(outages) for _ in range(6)]


def test_outages_of_the_schedule_cut_what_is_connected():
    async def scenario():
        profile = replace(QUICK, outages=PeriodicOutages(0.2, 100, 0.1))
        async with through(profile) as (proxy, sink):
            reader, writer = await dial(proxy)
            writer.write(b"x")
            await sink.until(lambda: sink.got)
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), LIMIT_S)
            assert proxy.now_s >= 0.2
            writer.close()

    run(scenario)


def test_a_broker_that_is_not_there_closes_the_connection():
    async def scenario():
        async with opened(LinkProxy(QUICK, 1, Route("127.0.0.1", 1))) as proxy:
            reader, writer = await dial(proxy)
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
            writer.close()

    run(scenario)


def test_a_port_that_is_taken_is_named():
    async def scenario():
        async with opened(LinkProxy(QUICK, 1, Route("127.0.0.1", 1))) as first:
            second = LinkProxy(QUICK, 1, Route("127.0.0.1", 1, listen_port=first.port))
            with pytest.raises(LinkError, match=rf"127\.0\.0\.1:{first.port}: .*in use"):
                await second.open()

    run(scenario)
