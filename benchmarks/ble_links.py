"""Twenty Bluetooth sensors at once on one adapter: how soon all are read, and what they cost.

    python benchmarks/ble_links.py [--links 20] [--seconds 10] [--rate 50]

The radio is simulated inside this process, so the CPU share is that of both ends: the gateway's
(bleak's API, supervisors, decoders) and the sensors' own GATT servers. Needs the extra ``sim``.
"""

import argparse
import asyncio
import logging
import time
from contextlib import aclosing
from itertools import cycle, islice

import numpy as np

from firmware_bridge.ble import Adapter, BleSource
from firmware_bridge.ble.bleak_radio import BleakRadio
from firmware_bridge.profiles import profile
from firmware_bridge.simulate.bleak_backend import bleak_backends
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.physiology import model_values
from firmware_bridge.simulate.virtual_air import VirtualAir

_PROFILE = "heart_rate"


async def drain(source: BleSource) -> None:
    """Take everything that a source yields."""
    async with aclosing(source.events()) as events:
        async for _ in events:
            pass


async def send(peripheral: Peripheral, values: list[bytes], count: int, rate_hz: float) -> None:
    """Send ``count`` values at a rate that does not drift."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    for index, value in enumerate(islice(cycle(values), count)):
        await asyncio.sleep(max(0.0, begun + index / rate_hz - clock()))
        await peripheral.send(value)


async def until_all_stream(peripherals: list[Peripheral]) -> float:
    """Seconds until every sensor is subscribed."""
    begun = time.perf_counter()
    while not all(near.subscribed for near in peripherals):
        await asyncio.sleep(0.01)
    return time.perf_counter() - begun


async def measure(links: int, seconds: float, rate_hz: float) -> None:
    """Connect, stream, drop all at once, and print what came of it."""
    air = VirtualAir()
    scanner, client = bleak_backends(await air.gateway())
    adapter = Adapter(BleakRadio(scanner_backend=scanner, client_backend=client))
    found = profile(_PROFILE)
    peripherals = [
        Peripheral(air.device(f"strap {i}", f"F1:00:00:00:00:{i:02X}"), found) for i in range(links)
    ]
    for near in peripherals:
        await near.start()
    sources = [
        BleSource(f"strap {i}", found, adapter, address=near.address)
        for i, near in enumerate(peripherals)
    ]
    readers = [asyncio.create_task(drain(source), name=source.sensor) for source in sources]
    print(f"{links} links up after {await until_all_stream(peripherals):.2f} s, one after another")

    values = list(islice(model_values(_PROFILE, np.random.default_rng(1)), 100))
    count = round(seconds * rate_hz)
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(send(near, values, count, rate_hz) for near in peripherals))
    await asyncio.sleep(0.2)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    sent, read = links * count, sum(source.counters.frames for source in sources)
    print(f"{sent} values sent at {links} x {rate_hz:g} Hz, {read} read, {sent - read} lost")
    print(f"{100 * cpu / wall:.0f} % of a core for both ends, {1e6 * cpu / sent:.0f} us a value")

    await asyncio.gather(*(near.drop() for near in peripherals))
    again = await until_all_stream(peripherals)
    print(f"all dropped at once: {links} links again after {again:.2f} s")
    failed = sum(source.counters.failed_connects for source in sources)
    print(f"{failed} connects failed, {sum(s.counters.silent for s in sources)} links fell silent")

    for reader in readers:
        reader.cancel()
    await asyncio.wait(readers)
    for near in peripherals:
        await near.leave()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--links", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=50.0, help="values a second and link")
    options = parser.parse_args()
    logging.getLogger("firmware_bridge").setLevel(logging.ERROR)  # twenty dropped links are meant
    asyncio.run(measure(options.links, options.seconds, options.rate))


if __name__ == "__main__":
    main()
