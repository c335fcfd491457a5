import asyncio
import threading

import pytest

from firmware_bridge.serial_handoff import Handoff, LineEvent


async def drained(handoff):
    out = []
    while items := await handoff.take():
        out += items
    return out


def test_everything_arrives_in_order_through_a_narrow_bound():
    chunks = [bytes([n % 256]) * (n % 7 + 1) for n in range(2000)]

    async def scenario():
        handoff = Handoff(asyncio.get_running_loop(), limit_bytes=16)

        def produce():
            for chunk in chunks:
                assert handoff.put(chunk)
            handoff.finish()

        thread = threading.Thread(target=produce)
        thread.start()
        out = await drained(handoff)
        thread.join()
        assert out == chunks

    asyncio.run(scenario())


def test_a_producer_that_waits_for_room_sees_the_end():
    async def scenario():
        handoff = Handoff(asyncio.get_running_loop(), limit_bytes=1)
        assert handoff.put(b"fills it")
        waiting = asyncio.create_task(asyncio.to_thread(handoff.put, b"no room"))
        handoff.finish()
        assert not await waiting
        assert await drained(handoff) == [b"fills it"]

    asyncio.run(scenario())


def test_the_error_comes_after_the_last_item():
    async def scenario():
        handoff = Handoff(asyncio.get_running_loop(), limit_bytes=10)
        handoff.put(LineEvent.REOPENED)
        handoff.finish(LookupError("lost"))
        handoff.finish()
        assert await handoff.take() == [LineEvent.REOPENED]
        with pytest.raises(LookupError, match="lost"):
            await handoff.take()

    asyncio.run(scenario())


def test_a_wake_up_without_an_item_is_not_the_end():
    async def scenario():
        handoff = Handoff(asyncio.get_running_loop(), limit_bytes=10)
        handoff.put(b"a")
        await asyncio.sleep(0)
        handoff.put(b"b")
        assert await handoff.take() == [b"a", b"b"]
        handoff.put(b"c")
        assert await handoff.take() == [b"c"]
        later = asyncio.create_task(handoff.take())
        await asyncio.sleep(0)
        handoff.put(b"d")
        assert await later == [b"d"]

    asyncio.run(scenario())


def test_a_closed_loop_is_an_end():
    loop = asyncio.new_event_loop()
    handoff = Handoff(loop, limit_bytes=10)
    loop.close()
    assert not handoff.put(b"a")
