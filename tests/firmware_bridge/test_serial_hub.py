import asyncio
import os
import threading

from firmware_bridge.serial_feed import SerialFeed
from firmware_bridge.serial_hub import SerialHub


def pipe():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    return reader, writer


async def bytes_of(feed, count):
    got = b""
    async with asyncio.timeout(30):
        while len(got) < count:
            got += b"".join(data for _, data in await feed.take())
    return got


def hub_threads():
    return sum(thread.name == "serial ports" for thread in threading.enumerate())


def test_one_thread_reads_many_ports_and_ends_with_the_last():
    async def scenario():
        hub = SerialHub(now_ns=lambda: 7)
        feeds = [SerialFeed(1000) for _ in range(50)]
        pipes = [pipe() for _ in feeds]
        for (reader, writer), feed in zip(pipes, feeds, strict=True):
            hub.register(reader, feed, lambda _: None)
            os.write(writer, b"port %d" % reader)
        assert hub_threads() == 1
        for (reader, _), feed in zip(pipes, feeds, strict=True):
            assert await bytes_of(feed, 6) == b"port %d" % reader
        for reader, writer in pipes:
            assert hub_threads() == 1
            hub.unregister(reader)
            os.close(reader)
            os.close(writer)
        assert hub_threads() == 0

    asyncio.run(scenario())


def test_a_port_that_ends_is_lost_once_with_what_it_said_before():
    async def scenario():
        hub, feed = SerialHub(), SerialFeed(1000)
        reader, writer = pipe()
        lost = asyncio.Queue()
        hub.register(reader, feed, lost.put_nowait)
        os.write(writer, b"last words")
        os.close(writer)
        assert await bytes_of(feed, 10) == b"last words"
        assert await lost.get() == "end of file"
        hub.unregister(reader)
        os.close(reader)
        assert lost.empty()

    asyncio.run(scenario())


def test_a_port_whose_feed_is_full_waits_and_the_others_do_not():
    async def scenario():
        hub = SerialHub()
        full, other = SerialFeed(4096), SerialFeed(1 << 20)
        (slow, slow_writer), (fast, fast_writer) = pipe(), pipe()
        data = bytes(range(256)) * 64
        os.write(slow_writer, data)
        hub.register(slow, full, lambda _: None)
        hub.register(fast, other, lambda _: None)
        os.write(fast_writer, data)
        # By the time that the other port is read whole, the full one was read up to its bound.
        assert await bytes_of(other, len(data)) == data
        got = b""
        while len(got) < len(data):
            chunks = await full.take()
            assert sum(len(chunk) for _, chunk in chunks) <= 2 * 4096
            got += b"".join(chunk for _, chunk in chunks)
            hub.resume(slow)
        assert got == data
        for reader in (slow, fast):
            hub.unregister(reader)
        for descriptor in (slow, slow_writer, fast, fast_writer):
            os.close(descriptor)

    asyncio.run(scenario())


def test_a_descriptor_that_is_used_again_belongs_to_the_new_port():
    async def scenario():
        hub = SerialHub()
        keep, keep_writer = pipe()
        hub.register(keep, SerialFeed(100), lambda _: None)
        for number in range(20):
            reader, writer = pipe()
            feed = SerialFeed(1000)
            hub.register(reader, feed, lambda _: None)
            os.write(writer, b"%02d" % number)
            assert await bytes_of(feed, 2) == b"%02d" % number
            hub.unregister(reader)
            os.close(reader)
            os.close(writer)
        hub.unregister(keep)
        os.close(keep)
        os.close(keep_writer)

    asyncio.run(scenario())
