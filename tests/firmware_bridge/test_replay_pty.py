import asyncio
import math
import os
import select
import tty

import pytest

from firmware_bridge.replay_pty import PtyReplay
from firmware_bridge.start_switch import StartSwitch


def numbered(count, due_ns=0):
    return [(n * due_ns, n.to_bytes(8, "big")) for n in range(count)]


def read_all(port, size):
    """What a reader without pyserial gets: ``size`` bytes, blocking."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        got = b""
        while len(got) < size:
            got += os.read(descriptor, 4096)
        return got
    finally:
        os.close(descriptor)


def test_no_byte_is_lost_or_translated_when_the_reader_is_slower():
    frames = [(0, bytes(range(256)) * 3) for _ in range(1000)]
    data = b"".join(frame for _, frame in frames)

    async def scenario():
        with PtyReplay(frames, speed=math.inf) as replay:
            reading = asyncio.create_task(asyncio.to_thread(read_all, replay.port, len(data)))
            await replay.run()
            assert replay.finished.is_set()
            assert await reading == data

    asyncio.run(scenario())


def test_many_run_in_one_loop():
    frames = numbered(50, due_ns=1_000_000)
    data = b"".join(frame for _, frame in frames)

    async def scenario():
        replays = [PtyReplay(frames, speed=10) for _ in range(8)]
        try:
            async with asyncio.TaskGroup() as group:
                readings = [
                    group.create_task(asyncio.to_thread(read_all, replay.port, len(data)))
                    for replay in replays
                ]
                for replay in replays:
                    group.create_task(replay.run())
            assert {reading.result() for reading in readings} == {data}
        finally:
            for replay in replays:
                replay.close()

    asyncio.run(scenario())


def test_the_replay_stands_still_while_nobody_listens():
    async def scenario():
        with PtyReplay(numbered(10), speed=math.inf) as replay:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(replay.run(), 0.1)
            assert not replay.finished.is_set()

    asyncio.run(scenario())


def test_a_sensor_that_waits_is_started_stopped_and_started_again():
    async def read(descriptor, size):
        async with asyncio.timeout(20):
            got = b""
            while len(got) < size:
                try:
                    got += os.read(descriptor, size - len(got))
                except BlockingIOError:
                    await asyncio.sleep(0.005)
            return got

    async def scenario():
        switch = StartSwitch(b"go", b"halt")
        with PtyReplay(numbered(400, due_ns=1_000_000), speed=1.0, switch=switch) as replay:
            sending = asyncio.create_task(replay.run())
            descriptor = os.open(replay.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(descriptor)
            await asyncio.sleep(0.1)
            with pytest.raises(BlockingIOError):
                os.read(descriptor, 1)
            os.write(descriptor, b"go")
            got = await read(descriptor, 80)
            os.write(descriptor, b"halt")
            async with asyncio.timeout(20):
                while switch.on:
                    await asyncio.sleep(0.005)
            os.write(descriptor, b"go")
            got += await read(descriptor, 3200 - 80)
            await sending
            os.close(descriptor)
        # It stood still and lost nothing.
        assert got == b"".join(frame for _, frame in numbered(400))

    asyncio.run(scenario())


def test_a_port_has_a_stable_path_and_closing_takes_it_away(tmp_path):
    link = tmp_path / "ttyWATCH"
    with PtyReplay([], link=link) as replay:
        assert replay.port == str(link)
        descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(descriptor)
    poll = select.poll()
    poll.register(descriptor)
    assert poll.poll(1000)[0][1] & select.POLLHUP
    os.close(descriptor)
    assert not os.path.lexists(link)
    replay.close()
