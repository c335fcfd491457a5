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
from firmware_bridge.errors import SourceError
from firmware_bridge.profiles import profile
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.simulate.bleak_backend import bleak_backends
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.physiology import model_values
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
        self._made = 0

    async def sensor(self, name: str) -> Peripheral:
        self._made += 1
        device = self.air.device(name, f"F1:00:00:00:00:{self._made:02X}")
        peripheral = Peripheral(device, profile(name))
        await peripheral.start()
        return peripheral


@asynccontextmanager
async def room() -> AsyncIterator[Room]:
    air = VirtualAir()
    scanner, client = bleak_backends(await air.gateway())
    radio = BleakRadio(scanner_backend=scanner, client_backend=client)
    yield Room(air, Adapter(radio, limits=_LIMITS, rng=np.random.default_rng(1)))


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
