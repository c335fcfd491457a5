"""The example main: compiled, put on a pty, and read as a gateway reads a port."""

import asyncio
import fcntl
import os
import struct
import subprocess
import termios
import tty

import numpy as np
import pytest

from firmware_bridge.backoff import Backoff
from firmware_bridge.sample import Mark
from firmware_bridge.serial_source import SerialSource
from tests.firmware_bridge.firmware.compiled import (
    COMPILER,
    FIRMWARE,
    SANITIZED,
    compile_c,
    sources,
)

pytestmark = pytest.mark.skipif(COMPILER is None, reason="gcc is not installed")

READINGS = 500
INTERVAL = 20_000_000


@pytest.fixture(scope="module")
def wrist_imu(tmp_path_factory):
    """The example as a program."""
    program = tmp_path_factory.mktemp("example") / "wrist_imu"
    compile_c(program, *SANITIZED, FIRMWARE / "examples/linux/wrist_imu.c", *sources())
    return program


async def opened_by_a_reader(master):
    """Wait until a reader has emptied its input, which pyserial does last (ioctl_tty(2))."""
    fcntl.ioctl(master, termios.TIOCPKT, struct.pack("i", 1))
    os.set_blocking(master, False)
    while True:
        try:
            if os.read(master, 64)[0] & termios.TIOCPKT_FLUSHREAD:
                break
        except OSError:
            await asyncio.sleep(0.005)
    os.set_blocking(master, True)


async def read_from(program, garbage):
    """Events of the program's line and the counters."""
    master, slave = os.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    os.close(slave)
    source = SerialSource("wrist", port, backoff=Backoff(np.random.default_rng(1)))
    events = []

    async def drain():
        async for event in source.events():
            events.append(event)

    reading = asyncio.create_task(drain())
    try:
        await opened_by_a_reader(master)
        os.write(master, garbage)
        firmware = await asyncio.create_subprocess_exec(
            program, str(READINGS), stdout=master, stderr=subprocess.PIPE
        )
        _, err = await firmware.communicate()
        assert firmware.returncode == 0, err.decode()
        while source.counters.readings < READINGS:
            await asyncio.sleep(0.005)
    finally:
        source.close()
        await reading
        os.close(master)
    return events, source.counters


@pytest.mark.parametrize("garbage", [b"", b"half of a frame\x01\x02"])
def test_a_gateway_reads_the_example_over_a_pty(wrist_imu, garbage):
    async def run():
        async with asyncio.timeout(30):
            return await read_from(wrist_imu, garbage)

    events, counters = asyncio.run(run())
    samples = [event for event in events if not isinstance(event, Mark)]
    counts = np.arange(READINGS)
    expected = np.stack([counts % 8192, -(counts % 4096), np.full(READINGS, 4096)], axis=1) / 4096
    values = np.concatenate([sample.values for sample in samples])
    assert np.array_equal(values, expected.astype(np.float32))
    assert [channel.name for channel in samples[0].channels] == ["ax", "ay", "az"]
    # The counter wraps after 65 ms; time goes on.
    assert [sample.timestamp_ns for sample in samples] == [
        i * INTERVAL for i in range(0, READINGS, 10)
    ]
    marks = [event for event in events if isinstance(event, Mark)]
    assert [mark.label for mark in marks] == ["walk", "rest", None, "walk", "rest"]
    assert (counters.malformed, counters.missing) == (bool(garbage), 0)
    assert counters.undescribed == counters.duplicates == counters.clock_steps == 0
