import asyncio
import threading

from firmware_bridge.serial_feed import LineEvent, SerialFeed


async def drained(feed):
    out = []
    while items := await feed.take():
        out += items
    return out


def test_everything_arrives_in_order():
    chunks = [(n, bytes([n % 256]) * (n % 7 + 1)) for n in range(2000)]

    async def scenario():
        loop = asyncio.get_running_loop()
        feed = SerialFeed(limit_bytes=16)

        def produce():
            for chunk in chunks:
                if feed.put(chunk):
                    loop.call_soon_threadsafe(feed.wake)
            loop.call_soon_threadsafe(feed.finish)

        thread = threading.Thread(target=produce)
        thread.start()
        out = await drained(feed)
        thread.join()
        assert out == chunks

    asyncio.run(scenario())


def test_it_says_when_it_is_full_and_when_there_is_room_again():
    async def scenario():
        feed = SerialFeed(limit_bytes=4)
        assert feed.put((0, b"abc"))
        assert not feed.full
        assert not feed.put((1, b"d"))
        assert feed.full
        feed.wake()
        assert await feed.take() == [(0, b"abc"), (1, b"d")]
        assert not feed.full

    asyncio.run(scenario())


def test_a_wake_up_without_an_item_is_not_the_end():
    async def scenario():
        feed = SerialFeed(limit_bytes=10)
        feed.wake()
        taking = asyncio.create_task(feed.take())
        await asyncio.sleep(0)
        assert not taking.done()
        feed.put(LineEvent.REOPENED)
        feed.wake()
        assert await taking == [LineEvent.REOPENED]
        feed.finish()
        assert await feed.take() == []
        assert await feed.take() == []

    asyncio.run(scenario())
