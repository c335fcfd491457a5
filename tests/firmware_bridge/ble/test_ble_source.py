"""Sensors on a virtual radio, read through bleak's own API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from itertools import islice
from typing import Any

import numpy as np
import pytest

from firmware_bridge.ble import Adapter, BleSource, LinkLimits
from firmware_bridge.ble.bleak_radio import BleakRadio
from firmware_bridge.ble.link_state import State
from firmware_bridge.errors import SourceError
from firmware_bridge.gatt import heart_rate
from firmware_bridge.polar import acc, control_point
from firmware_bridge.polar.pmd import PmdFrame, PmdType
from firmware_bridge.profile import Access
from firmware_bridge.profiles import profile
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.sampling import Arrival
from firmware_bridge.simulate.bleak_backend import bleak_backends
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.physiology import model_names, model_values
from firmware_bridge.simulate.virtual_air import VirtualAir

_LIMITS = LinkLimits(
    connect_s=5, close_s=2, silence_floor_s=0.3, backoff_floor_s=0.02, backoff_cap_s=0.1
)
_WAIT_S = 20


class Room:
    """A gateway's adapter, and sensors around it."""

    def __init__(self, air: VirtualAir, adapter: Adapter) -> None:
        self.air = air
        self.adapter = adapter
        self.peripherals: list[Peripheral] = []

    async def sensor(
        self, name: str, answer: Callable[[bytes], bytes | None] = lambda _: None
    ) -> Peripheral:
        device = self.air.device(name, f"F1:00:00:00:00:{len(self.peripherals):02X}")
        peripheral = Peripheral(device, profile(name), answer)
        await peripheral.start()
        self.peripherals.append(peripheral)
        return peripheral


@asynccontextmanager
async def room() -> AsyncIterator[Room]:
    air = VirtualAir()
    scanner, client = bleak_backends(await air.gateway())
    radio = BleakRadio(scanner_backend=scanner, client_backend=client)
    here = Room(air, Adapter(radio, limits=_LIMITS, rng=np.random.default_rng(1)))
    try:
        yield here
    finally:
        for peripheral in here.peripherals:
            await peripheral.leave()


def in_a_room(test: Callable[[Room], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(_WAIT_S), room() as made:
            await test(made)

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def take(source: BleSource, count: int) -> list[Sample]:
    taken: list[Sample] = []
    async with aclosing(source.events()) as events:
        async for event in events:
            assert not isinstance(event, Mark)
            taken.append(event)
            if len(taken) >= count:
                break
    return taken


async def keep_sending(peripheral: Peripheral, name: str) -> None:
    rng = np.random.default_rng(2)
    while True:
        await peripheral.feed(islice(model_values(name, rng), 10), 0.01)


@pytest.mark.parametrize(
    ("name", "stream", "unit", "low", "high"),
    [
        ("heart_rate", "heart_rate", "/min", 40, 150),
        ("health_thermometer", "temperature", "Cel", 35, 39),
        ("pulse_oximeter_continuous", "pulse_oximeter", "%", 90, 100),
        ("blood_pressure", "blood_pressure", "mm[Hg]", 80, 180),
    ],
)
def test_a_sensor_is_found_by_its_service_and_read(
    name: str, stream: str, unit: str, low: float, high: float
) -> None:
    async def test(here: Room) -> None:
        sending = asyncio.create_task(keep_sending(await here.sensor(name), name))
        source = BleSource("sensor", profile(name), here.adapter)
        samples = [s for s in await take(source, 5) if s.stream == stream]
        sending.cancel()
        assert samples
        assert samples[0].channels[0].unit == unit
        assert all(low < sample.values[0, 0] < high for sample in samples)
        assert source.counters.frames >= len(samples)
        assert source.counters.malformed == source.counters.failed_connects == 0

    in_a_room(test)


def test_a_profile_that_is_only_read_is_refused() -> None:
    async def test(here: Room) -> None:
        with pytest.raises(SourceError, match="no values that come over BLE"):
            BleSource("sensor", profile("model_number"), here.adapter)
        with pytest.raises(SourceError, match="no values that come over BLE"):
            BleSource("sensor", profile("nonin_df2"), here.adapter)

    in_a_room(test)


def test_a_link_that_drops_is_connected_again() -> None:
    async def test(here: Room) -> None:
        peripheral = await here.sensor("heart_rate")
        source = BleSource("sensor", profile("heart_rate"), here.adapter)
        sending = asyncio.create_task(keep_sending(peripheral, "heart_rate"))
        reading = asyncio.create_task(take(source, 10_000))
        for drops in range(3):
            seen = source.counters.frames
            await until(lambda seen=seen: source.counters.frames > seen)
            assert source.counters.reopened == drops
            await peripheral.drop()
        await until(lambda: source.counters.reopened == 3)
        sending.cancel()
        reading.cancel()
        await asyncio.wait({sending, reading})
        assert source.counters.silent == 0

    in_a_room(test)


@asynccontextmanager
async def reading(*sources: BleSource) -> AsyncIterator[list[Sample]]:
    """What the sources yield, as it comes."""
    taken: list[Sample] = []

    async def drain(source: BleSource) -> None:
        async with aclosing(source.events()) as events:
            async for event in events:
                taken.append(event)

    tasks = [asyncio.create_task(drain(source)) for source in sources]
    try:
        yield taken
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with pytest.raises(asyncio.CancelledError):
                await task


_ON_AIR = [
    name
    for name in model_names()
    if (gatt := profile(name).gatt) is not None and gatt.access is not Access.READ
]


@pytest.mark.parametrize("name", _ON_AIR)
def test_every_modelled_sensor_is_asked_as_it_must_be_and_read_over_the_air(name: str) -> None:
    found = profile(name)
    values = list(islice(model_values(name, np.random.default_rng(2)), 3))
    arrival = Arrival("sensor", received_ns=0)
    sent = [sample for value in values for sample in found.to_samples(found.decode(value), arrival)]

    async def test(here: Room) -> None:
        peripheral = await here.sensor(name)
        source = BleSource("sensor", found, here.adapter)
        async with reading(source) as taken:
            await until(lambda: source.supervisor.state is State.STREAMING)
            for value in values:
                await peripheral.send(value)
            await until(lambda: source.counters.frames == len(values))
            await until(lambda: len(taken) == len(sent))
        assert found.gatt is not None
        assert peripheral.requests == [request for _, request in found.gatt.start]
        for got, expected in zip(taken, sent, strict=True):
            assert (got.stream, got.channels) == (expected.stream, expected.channels)
            assert np.array_equal(got.values, expected.values)
        assert source.counters.malformed == 0

    in_a_room(test)


def test_a_link_that_falls_silent_is_made_anew() -> None:
    async def test(here: Room) -> None:
        peripheral = await here.sensor("heart_rate")
        source = BleSource("sensor", profile("heart_rate"), here.adapter, interval_s=0.05)
        async with reading(source):
            await until(lambda: peripheral.subscribed)
            await peripheral.send(b"\x00\x48")
            await until(lambda: source.counters.silent == 1)
            await until(lambda: peripheral.subscribed and source.counters.reopened == 1)
            await peripheral.send(b"\x00\x49")
            await until(lambda: source.counters.frames == 2)

    in_a_room(test)


def test_a_sensor_that_left_is_waited_for() -> None:
    async def test(here: Room) -> None:
        peripheral = await here.sensor("blood_pressure")
        source = BleSource("cuff", profile("blood_pressure"), here.adapter)
        async with reading(source):
            await until(lambda: peripheral.subscribed)
            await peripheral.leave()
            await until(lambda: source.supervisor.state is State.SEARCHING)
            await asyncio.sleep(0.3)
            assert source.supervisor.state is State.SEARCHING
            await peripheral.advertise()
            await until(lambda: peripheral.subscribed)
        await until(lambda: not peripheral.subscribed)

    in_a_room(test)


def test_each_sensor_is_read_by_its_own_source_and_no_two_connect_at_once() -> None:
    async def test(here: Room) -> None:
        peripherals = [await here.sensor("heart_rate") for _ in range(4)]
        sources = [
            BleSource(f"strap {i}", profile("heart_rate"), here.adapter, address=near.address)
            for i, near in enumerate(peripherals)
        ]
        # The simulated adapter refuses a second connect beside one under way, as real ones do.
        async with reading(*sources) as taken:
            await until(lambda: all(near.subscribed for near in peripherals))
            for i, near in enumerate(peripherals):
                await near.send(heart_rate.encode(heart_rate.HeartRate(60 + i)))
            await until(lambda: len(taken) == 4)
        rates = {sample.sensor: sample.values[0, 0] for sample in taken}
        assert rates == {f"strap {i}": 60 + i for i in range(4)}
        assert all(source.counters.failed_connects == 0 for source in sources)

    in_a_room(test)


def test_two_sources_never_take_one_peripheral() -> None:
    async def test(here: Room) -> None:
        peripherals = [await here.sensor("heart_rate") for _ in range(2)]
        sources = [BleSource(f"{i}", profile("heart_rate"), here.adapter) for i in range(2)]
        async with reading(*sources):
            await until(lambda: all(near.subscribed for near in peripherals))

    in_a_room(test)


def test_what_a_decoder_refuses_is_counted() -> None:
    async def test(here: Room) -> None:
        peripheral = await here.sensor("heart_rate")
        source = BleSource("sensor", profile("heart_rate"), here.adapter)
        async with reading(source) as taken:
            await until(lambda: peripheral.subscribed)
            await peripheral.send(b"\x00")
            await peripheral.send(b"\x00\x48")
            await until(lambda: len(taken) == 1)
        assert source.counters.malformed == 1
        assert source.counters.frames == source.counters.readings == 1

    in_a_room(test)


def test_a_sensor_that_waits_to_be_asked_is_asked_and_its_factor_is_used() -> None:
    chosen = ((control_point.Setting.FACTOR, (0x3F000000,)),)  # 0.5
    answer = control_point.encode(control_point.ControlResponse(2, PmdType.ACC, 0, settings=chosen))
    frame = PmdFrame(PmdType.ACC, 0, 0, compressed=True, readings=((10, -10, 2), (11, -9, 3)))

    async def test(here: Room) -> None:
        peripheral = await here.sensor("polar_acc", lambda _: answer)
        source = BleSource("strap", profile("polar_acc"), here.adapter)
        async with reading(source) as taken:
            await until(lambda: peripheral.subscribed and bool(peripheral.requests))
            assert peripheral.requests == [request for _, request in acc.PROFILES[0].gatt.start]
            await until(lambda: source.supervisor.state is State.STREAMING)
            # The answer comes after the write's own response.
            await asyncio.sleep(0.1)
            await peripheral.send(acc.encode(frame))
            await until(lambda: bool(taken))
        assert np.array_equal(taken[0].values, np.array(frame.readings) * 0.5)

    in_a_room(test)


def test_the_oldest_values_go_when_nobody_takes_them() -> None:
    async def test(here: Room) -> None:
        source = BleSource("sensor", profile("heart_rate"), here.adapter)
        for _ in range(3000):
            source._received(b"\x00\x48")
        assert source.counters.overrun == 3000 - 2048

    in_a_room(test)


def test_events_are_read_once_at_a_time_and_end_with_close() -> None:
    async def test(here: Room) -> None:
        peripheral = await here.sensor("heart_rate")
        source = BleSource("sensor", profile("heart_rate"), here.adapter)
        async with reading(source):
            await until(lambda: peripheral.subscribed)
            with pytest.raises(RuntimeError, match="being read already"):
                await anext(source.events())
        await until(lambda: not peripheral.subscribed)
        source.close()
        assert [event async for event in source.events()] == []

    in_a_room(test)
