"""Serial vendor sensors from a configuration to samples, on ptys."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from edge_agent.settings import AgentSettings
from edge_agent.sources import open_sources
from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.sample import Channel, Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_address import PortInfo
from firmware_bridge.serial_discovery import line_trials
from firmware_bridge.serial_probe import identify_line
from firmware_bridge.serial_profiles.bci_5byte import BciFrame
from firmware_bridge.serial_profiles.contec_5byte import Contec5Frame
from firmware_bridge.serial_profiles.contec_9byte import Contec9Frame
from firmware_bridge.serial_profiles.healthypi import HealthyPiFrame
from firmware_bridge.serial_profiles.healthypi5 import HealthyPi5Frame
from firmware_bridge.serial_profiles.nonin_df2 import NoninPacket, NoninStatus
from firmware_bridge.serial_profiles.openbci_cyton import CytonFrame
from firmware_bridge.serial_source import SerialSource
from firmware_bridge.stream_decoder import open_decoder
from perfuse.configuration import load
from tests.firmware_bridge.vendor_line import VendorLine

CONFIGURATION = """\
population = "p"
gateway = "g"
model = "shoulder-cnn1d"
state_dir = "s"
[[sensor]]
name = "vendor"
kind = "serial"
port = "{port}"
profile = "{profile}"
"""


def frames_of(name: str, count: int) -> list[bytes]:
    """Frames that differ from each other, as the sensor of a profile sends them."""
    made = {
        "contec_5byte": lambda n: Contec5Frame(spo2=90 + n % 10, pulse_rate=60 + n % 60),
        "contec_9byte": lambda n: Contec9Frame(spo2=90 + n % 10, pulse_rate=60 + n % 60),
        "bci_5byte": lambda n: BciFrame(spo2=90 + n % 10, pulse_rate=60 + n % 60),
        "nonin_df2": lambda n: NoninPacket(
            statuses=(NoninStatus.ALWAYS,) * 25,
            pleth=tuple((n + i) % 256 for i in range(25)),
            heart_rate=60 + n % 60,
            spo2=90 + n % 10,
        ),
        "openbci_cyton": lambda n: CytonFrame(n % 256, tuple(n * 100 + c for c in range(8))),
        "healthypi": lambda n: HealthyPiFrame(n, -n, 2 * n, 3 * n, 3650, 14, 90 + n % 10, 70),
        "healthypi5": lambda n: HealthyPi5Frame(
            70_000 + n, n if n % 2 else None, 80_000 + n, 90_000, 90 + n % 10
        ),
    }
    encode = profile(name).encode
    assert encode is not None
    return [encode(made[name](n)) for n in range(count)]


def source_of(tmp_path: Path, port: str, name: str):
    file = tmp_path / "agent.toml"
    file.write_text(CONFIGURATION.format(port=port, profile=name))
    (source,) = open_sources(load(file, AgentSettings).sensor)
    return source


async def take(events, count):
    got = []
    async with asyncio.timeout(30):
        async for event in events:
            if isinstance(event, Sample):
                got.append(event)
            if len(got) == count:
                break
    return got


async def until_open(caplog, times=1):
    """Wait until a source has its port open: what was sent before is lost."""
    async with asyncio.timeout(30):
        while caplog.text.count("port open") < times:
            await asyncio.sleep(0.005)


SERIAL = [
    "contec_5byte",
    "contec_9byte",
    "bci_5byte",
    "nonin_df2",
    "openbci_cyton",
    "healthypi",
    "healthypi5",
]


@pytest.mark.parametrize("name", SERIAL)
def test_a_configured_sensor_is_started_read_and_resynchronised(name, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    found = profile(name)
    frames = frames_of(name, 40)
    arrival = Arrival("vendor", received_ns=0)
    sent = [s for frame in frames for s in found.to_samples(found.decode(frame), arrival)]

    async def scenario():
        line = VendorLine(found.serial.start)
        source = source_of(tmp_path, line.port, name)
        async with aclosing(source.events()) as events:
            sending = asyncio.create_task(take(events, len(sent)))
            await until_open(caplog)
            if found.serial.start:
                await line.until_started()
            garbage = np.random.default_rng(1)
            for frame in frames:
                # Bytes that begin no frame: what a badly seated plug makes of them.
                noise = bytes(garbage.integers(2, 0x60, 3).tolist())
                # A 0x0A is what a HealthyPi's frame begins with.
                await line.send(noise.replace(b"\n", b"\x0b") + frame)
            samples = await sending
        line.unplug()
        return samples, source.counters

    samples, counters = asyncio.run(scenario())
    assert counters.frames == 40
    assert 0 < counters.garbage <= 120
    assert counters.readings == sum(len(sample.values) for sample in samples)
    for got, expected in zip(samples, sent, strict=True):
        assert (got.stream, got.channels) == (expected.stream, expected.channels)
        assert np.array_equal(got.values, expected.values, equal_nan=True)


def test_a_sensor_is_kept_alive_and_told_to_stop(tmp_path, monkeypatch):
    link = profile("contec_9byte").serial
    monkeypatch.setattr("firmware_bridge.serial_talk.asyncio", _FastAsyncio)

    async def scenario():
        line = VendorLine(link.start)
        source = source_of(tmp_path, line.port, "contec_9byte")
        async with aclosing(source.events()) as events:
            reading = asyncio.create_task(take(events, 10**6))
            await line.until_started()
            # A sensor that does not answer is asked again, not kept alive.
            await line.until_heard(link.start, times=3)
            assert link.keep_alive not in line.listen()
            for frame in frames_of("contec_9byte", 50):
                await line.send(frame)
                await asyncio.sleep(0.01)
            await line.until_heard(link.keep_alive)
            reading.cancel()
            await asyncio.wait({reading})
        await line.until_heard(link.stop)
        line.unplug()

    asyncio.run(scenario())


class _FastAsyncio:
    """Five seconds of a sensor pass in a tenth of one."""

    @staticmethod
    async def sleep(delay_s):
        await asyncio.sleep(delay_s / 50)


def test_unplugged_and_plugged_in_again(tmp_path):
    link = tmp_path / "ttyCAP"
    frames = frames_of("openbci_cyton", 20)

    async def scenario():
        source = source_of(tmp_path, str(link), "openbci_cyton")
        events = source.events()
        for _ in range(3):
            line = VendorLine(b"b", link)
            taking = asyncio.create_task(take(events, 20))
            await line.until_started()
            # Half a frame at the end must not spoil the first one after.
            await line.send(b"".join(frames) + frames[0][:17])
            assert len(await taking) == 20
            line.unplug()
        await events.aclose()
        return source.counters

    counters = asyncio.run(scenario())
    assert counters.frames == 60
    assert counters.reopened == 2
    assert counters.malformed == 0


def test_an_adapter_is_read_by_its_usb_ids_wherever_it_is(caplog):
    plugged: list[PortInfo] = []
    caplog.set_level(logging.INFO)
    frames = frames_of("nonin_df2", 4)

    async def scenario():
        source = SerialSource(
            "ox",
            "1bc7:0001:N42",
            decoder=open_decoder("ox", "nonin_df2"),
            ports=lambda: tuple(plugged),
        )
        events = source.events()
        for number in range(2):
            line = VendorLine()
            other = VendorLine()
            taking = asyncio.create_task(take(events, 8))
            await asyncio.sleep(0)
            plugged[:] = [
                PortInfo(other.port, "another", 0x1BC7, 0x0001, "N41"),
                PortInfo(line.port, "the one", 0x1BC7, 0x0001, "N42"),
            ]
            await until_open(caplog, number + 1)
            await line.send(b"".join(frames))
            assert len(await taking) == 8
            plugged.clear()
            line.unplug()
            other.unplug()
        await events.aclose()
        return source.counters

    assert asyncio.run(scenario()).reopened == 1


@pytest.mark.parametrize("name", ["nonin_df2", "openbci_cyton", "contec_9byte", "perfuse_frame"])
def test_a_profile_is_found_out(name, tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(identify_line.__kwdefaults__, "listen_s", 0.3)
    start = b"" if name == "perfuse_frame" else profile(name).serial.start
    if name == "perfuse_frame":
        walk = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
        axes = tuple(Channel(axis, "[g]") for axis in "xyz")
        session = RecordedSession(axes, 20_000_000, (Segment("walk", 10**18, walk),))
        data = b"".join(frame for _, frame in segments_to_frames(session))
    else:
        data = b"".join(frames_of(name, 10))

    async def scenario():
        line = VendorLine(start)
        source = source_of(tmp_path, line.port, "auto")
        async with aclosing(source.events()) as events:
            taking = asyncio.create_task(take(events, 5))
            await line.until_started() if start else None
            while not taking.done():
                await line.send(data)
                await asyncio.sleep(0.02)
            samples = await taking
        line.unplug()
        return samples, source.counters

    with caplog.at_level(logging.INFO):
        samples, counters = asyncio.run(scenario())
    assert f"sensor vendor: found to be {name}" in caplog.text
    assert len(samples) == 5
    assert counters.readings >= 5


def test_every_serial_profile_can_be_found_out():
    tried = [name for trial in line_trials() for name in trial.profiles]
    known = [name for name in profile_names() if profile(name).serial]
    assert sorted(tried) == sorted([*known, "perfuse_frame"])
