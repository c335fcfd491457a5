"""Runs in the virtual machine of ``qemu_bluetoothd.py``: our sources against the real bluetoothd.

The kernel's adapter is a controller in a virtual air (/dev/vhci); simulated sensors are in the same
air. Between them and our code are the kernel's Bluetooth, bluetoothd and D-Bus as they ship.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from itertools import islice

import numpy as np
from bumble.hci import Address
from bumble.transport import open_transport

from firmware_bridge.ble import BleSource, LinkLimits
from firmware_bridge.ble.system_adapter import open_system_adapter
from firmware_bridge.profiles import profile
from firmware_bridge.simulate.on_transport import send_frames
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.sensor_frames import modelled_frames
from firmware_bridge.simulate.virtual_air import VirtualAir

# An emulated machine is some ten times slower than a gateway.
LIMITS = LinkLimits(connect_s=60, close_s=20, scan_s=60)
WAIT_S = 120
SAMPLES = 5
PROFILES = (
    "heart_rate",
    "health_thermometer",
    "pulse_oximeter_continuous",
    "blood_pressure",
    "perfuse_frame",
)
SPEEDS = {"blood_pressure": 120.0, "health_thermometer": 10.0, "perfuse_frame": 2.0}


def start_bluetoothd() -> subprocess.Popen[bytes]:
    """The daemon of this distribution."""
    return subprocess.Popen(["/usr/libexec/bluetooth/bluetoothd", "--nodetach"])


async def power_on() -> None:
    """Have the adapter up, however the daemon is configured."""
    for _ in range(60):
        done = await asyncio.create_subprocess_exec(
            "bluetoothctl", "power", "on", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if await done.wait() == 0:
            return
        await asyncio.sleep(1)
    raise SystemExit("bluetoothd has no adapter")


async def sensor(air: VirtualAir, name: str, number: int) -> Peripheral:
    """A sensor that sends for ever."""
    peripheral = Peripheral(air.device(name[:8], f"F1:00:00:00:00:{number:02X}"), profile(name))
    await peripheral.start()
    return peripheral


async def read(source: BleSource, peripheral: Peripheral, name: str) -> float:
    """Seconds until samples of a sensor have come; every one of them decodes."""
    began = time.monotonic()
    frames = modelled_frames(name, np.random.default_rng(1), time.time_ns())
    sending = asyncio.create_task(
        send_frames(peripheral, islice(frames, 100_000), SPEEDS.get(name, 1.0))
    )
    try:
        async with asyncio.timeout(WAIT_S), aclosing(source.events()) as events:
            taken = 0
            async for _ in events:
                taken += 1
                if taken == SAMPLES:
                    break
    finally:
        sending.cancel()
    assert source.counters.malformed == 0, source.counters
    return time.monotonic() - began


async def outlive_the_daemon(air: VirtualAir, daemon: subprocess.Popen[bytes]) -> float:
    """Seconds from the daemon's return to the next value, after it was killed while streaming."""
    peripheral = await sensor(air, "heart_rate", 0x20)
    source = BleSource("strap", profile("heart_rate"), open_system_adapter(limits=LIMITS))
    frames = modelled_frames("heart_rate", np.random.default_rng(1), 0)
    sending = asyncio.create_task(send_frames(peripheral, frames, 5.0))
    async with asyncio.timeout(WAIT_S), aclosing(source.events()) as events:
        await anext(events)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        await asyncio.sleep(2)
        start_bluetoothd()
        await power_on()
        back, seen = time.monotonic(), source.counters.reopened
        while source.counters.reopened == seen:
            await anext(events)
    sending.cancel()
    await peripheral.leave()
    return time.monotonic() - back


async def main() -> None:
    """Say PASSED, or end with an error."""
    air = VirtualAir()
    controller = air.controller("hci0")
    # BlueZ passes over an adapter that has none.
    controller.public_address = Address("00:00:5E:00:53:01", Address.PUBLIC_DEVICE_ADDRESS)
    transport = await open_transport("vhci")
    controller.host = transport.sink
    transport.source.set_packet_sink(controller)
    daemon = start_bluetoothd()
    await power_on()
    for number, name in enumerate(PROFILES, start=1):
        peripheral = await sensor(air, name, number)
        adapter = open_system_adapter(limits=LIMITS)
        source = BleSource(name, profile(name), adapter, address=peripheral.address)
        print(f"{name}: {await read(source, peripheral, name):.1f} s", flush=True)
        await peripheral.leave()
    print(f"bluetoothd killed: data again after {await outlive_the_daemon(air, daemon):.1f} s")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except BaseException as error:
        print(f"FAILED {type(error).__name__}: {error}", flush=True)
        raise
    print("PASSED", flush=True)
    sys.stdout.flush()
    os._exit(0)
