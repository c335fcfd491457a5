"""What goes wrong with BlueZ, on a private bus, through bleak's own BlueZ backend.

Data come again within 10 s of the watchdog's limit.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.ble import BleSource, LinkLimits
from firmware_bridge.ble.link_state import State
from firmware_bridge.ble.system_adapter import open_system_adapter
from firmware_bridge.profiles import profile
from firmware_bridge.simulate.physiology import model_values
from tests.firmware_bridge.ble.fake_bluez import FakeBluez
from tests.firmware_bridge.ble.private_bus import DAEMON, PrivateBus

pytestmark = pytest.mark.skipif(DAEMON is None, reason="dbus-daemon is not installed")

_ADDRESS = "F1:00:00:00:00:07"
_LIMITS = LinkLimits(
    connect_s=0.6,
    close_s=0.5,
    silence_floor_s=0.4,
    scan_s=1.0,
    backoff_floor_s=0.02,
    backoff_cap_s=0.1,
)
# What the real limits scale to: 10 s after a watchdog of 5 s.
_AGAIN_S = 10.0
_TEST_S = 30.0


class Scene:
    """A sensor behind a fake bluetoothd, and the source that reads it."""

    def __init__(self, bus: PrivateBus, name: str, interval_s: float) -> None:
        found = profile(name)
        assert found.gatt is not None
        values = model_values(name, np.random.default_rng(3))
        self.bus = bus
        self.bluez = FakeBluez(found.gatt, _ADDRESS, lambda: next(values))
        adapter = open_system_adapter(limits=_LIMITS, rng=np.random.default_rng(4))
        self.source = BleSource(
            "sensor", found, adapter, address=_ADDRESS.lower(), interval_s=interval_s
        )

    @property
    def state(self) -> State:
        return self.source.supervisor.state

    async def data_again(self) -> None:
        """Values that were not there yet come; fails when they take too long."""
        seen = self.source.counters.frames
        async with asyncio.timeout(_LIMITS.silence_floor_s + _AGAIN_S):
            while self.source.counters.frames < seen + 3:
                await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def _scene(name: str, interval_s: float) -> AsyncIterator[Scene]:
    # A socket's path has room for 107 bytes: pytest's own folder may be deeper.
    with tempfile.TemporaryDirectory(prefix="ble") as folder, pytest.MonkeyPatch.context() as patch:
        bus = PrivateBus(Path(folder))
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        await bus.start()
        scene = Scene(bus, name, interval_s)
        await scene.bluez.start()
        reading = asyncio.create_task(_drain(scene.source), name="reader")
        try:
            yield scene
        finally:
            reading.cancel()
            await asyncio.wait({reading})
            await scene.bluez.vanish()
            await bus.kill()


async def _drain(source: BleSource) -> None:
    events = source.events()
    try:
        async for _ in events:
            pass
    finally:
        await events.aclose()  # type: ignore[attr-defined]


def _play(
    act: Callable[[Scene], Coroutine[Any, Any, None]],
    name: str = "heart_rate",
    interval_s: float = 0.05,
) -> None:
    async def run() -> None:
        async with asyncio.timeout(_TEST_S), _scene(name, interval_s) as scene:
            await scene.data_again()
            await act(scene)

    asyncio.run(run())


def test_a_sensor_that_goes_out_of_range_comes_back() -> None:
    async def act(scene: Scene) -> None:
        scene.bluez.drop()
        await scene.data_again()
        assert scene.source.counters.reopened == 1
        assert scene.source.counters.silent == 0

    _play(act)


def test_a_zombie_link_is_closed_and_connected_anew() -> None:
    async def act(scene: Scene) -> None:
        scene.bluez.mute = True
        await scene.until(lambda: "Disconnect" in scene.bluez.calls)
        assert scene.source.counters.silent == 1
        scene.bluez.mute = False
        await scene.data_again()
        assert scene.source.counters.reopened >= 1

    _play(act)


def test_a_ghost_whose_connect_never_answers_holds_nobody_for_ever() -> None:
    async def act(scene: Scene) -> None:
        scene.bluez.hang = True
        scene.bluez.drop()
        await scene.until(lambda: scene.source.counters.failed_connects >= 2)
        scene.bluez.hang = False
        await scene.data_again()

    _play(act)


@pytest.mark.parametrize(
    "error",
    ["org.bluez.Error.InProgress", "org.bluez.Error.Failed", "org.bluez.Error.NotReady"],
)
def test_refused_connects_are_tried_again(error: str) -> None:
    async def act(scene: Scene) -> None:
        scene.bluez.errors["Connect"] = [error] * 5
        scene.bluez.drop()
        await scene.data_again()
        assert not scene.bluez.errors["Connect"]

    _play(act)


@pytest.mark.parametrize("method", ["StartDiscovery", "StopDiscovery", "StartNotify"])
def test_operations_in_progress_are_tried_again(method: str) -> None:
    async def act(scene: Scene) -> None:
        scene.bluez.errors[method] = ["org.bluez.Error.InProgress"] * 3
        scene.bluez.drop()
        await scene.data_again()

    _play(act)


@pytest.mark.parametrize("name", ["heart_rate", "blood_pressure"])
def test_a_bluetoothd_that_vanishes_is_noticed_though_nobody_calls_back(name: str) -> None:
    async def act(scene: Scene) -> None:
        # No watchdog helps here: the cuff's silence is ordinary.
        await scene.bluez.vanish()
        await scene.until(lambda: scene.state is not State.STREAMING)
        await asyncio.sleep(0.5)
        assert scene.state is not State.STREAMING
        await scene.bluez.start()
        await scene.data_again()
        assert scene.source.counters.silent == 0
        assert scene.source.counters.reopened == 1

    _play(act, name, interval_s=60.0)


def test_a_bus_that_dies_is_outlived() -> None:
    async def act(scene: Scene) -> None:
        await scene.bus.kill()
        await scene.until(lambda: scene.state is not State.STREAMING)
        await scene.bluez.vanish()
        await asyncio.sleep(0.5)
        await scene.bus.start()
        await scene.bluez.start()
        await scene.data_again()

    _play(act)


def test_a_sensor_that_needs_a_bond_is_paired() -> None:
    async def act(scene: Scene) -> None:
        assert "Pair" in scene.bluez.calls
        scene.bluez.drop()
        await scene.data_again()
        assert scene.bluez.calls.count("Pair") == 1

    _play(act, "pulse_oximeter_continuous")


def test_the_agent_that_bluetoothd_asks_lets_no_stranger_bond() -> None:
    device = "/org/bluez/hci0/dev_F2"

    async def act(scene: Scene) -> None:
        asked = scene.bluez.ask_agent
        for member, signature, body in (
            ("RequestConfirmation", "ou", [device, 123456]),
            ("RequestAuthorization", "o", [device]),
            ("RequestPasskey", "o", [device]),
        ):
            assert await asked(member, signature, body) == "org.bluez.Error.Rejected"
        assert await asked("Cancel", "", []) is None
        assert scene.state is State.STREAMING

    _play(act, "pulse_oximeter_continuous")


def test_reading_ends_with_the_link_closed() -> None:
    async def run() -> None:
        async with asyncio.timeout(_TEST_S), _scene("heart_rate", 0.05) as scene:
            await scene.data_again()
            scene.source.close()
            await scene.until(lambda: not scene.bluez.connected)

    asyncio.run(run())
