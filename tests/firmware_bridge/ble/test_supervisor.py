"""What a supervisor does with a radio that hangs, refuses and speaks too late."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from firmware_bridge.ble import Adapter, BleSource, LinkLimits
from firmware_bridge.ble.link_state import State
from firmware_bridge.profiles import profile
from tests.firmware_bridge.ble.fake_radio import FakeRadio

A, B = "F1:00:00:00:00:0A", "F1:00:00:00:00:0B"
VALUE = b"\x00\x48"
LIMITS = LinkLimits(
    connect_s=0.2,
    close_s=0.2,
    silence_floor_s=0.3,
    scan_s=0.2,
    backoff_floor_s=0.01,
    backoff_cap_s=0.05,
)


class LostStack:
    """A watch whose stack is lost when the test says so."""

    def __init__(self) -> None:
        self.lose: Callable[[], None] = lambda: None
        self.watching = False

    async def run(self, lost: Callable[[], None]) -> None:
        self.lose, self.watching = lost, True
        try:
            await asyncio.Event().wait()
        finally:
            self.watching = False


class Ward:
    def __init__(self, *addresses: str, interval_s: float = 60.0) -> None:
        self.radio = FakeRadio(*addresses)
        self.stack = LostStack()
        self.adapter = Adapter(self.radio, self.stack, limits=LIMITS, rng=np.random.default_rng(1))
        self.sources = {
            address: BleSource(
                address,
                profile("heart_rate"),
                self.adapter,
                address=address,
                interval_s=interval_s,
            )
            for address in addresses
        }

    def state(self, address: str) -> State:
        return self.sources[address].supervisor.state

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(drain(source)) for source in self.sources.values()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def drain(source: BleSource) -> None:
    async for _ in source.events():
        pass


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.002)


def play(ward: Callable[[], Ward], act: Callable[[Ward], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        made = ward()
        async with asyncio.timeout(10):
            async with made.reading():
                await act(made)
            assert not made.stack.watching
            assert made.radio.scanning_now == made.radio.connecting_now == 0

    asyncio.run(run())


def test_a_connect_that_hangs_keeps_no_other_sensor_waiting_for_long() -> None:
    async def act(ward: Ward) -> None:
        ward.radio.hanging.add(A)
        await until(lambda: ward.state(B) is State.STREAMING)
        await until(lambda: ward.sources[A].counters.failed_connects >= 2)
        ward.radio.hanging.clear()
        await until(lambda: ward.state(A) is State.STREAMING)
        assert ward.radio.most_at_once == 1

    play(lambda: Ward(A, B), act)


def test_refusals_are_counted_and_outlived() -> None:
    async def act(ward: Ward) -> None:
        ward.radio.refusals[A] = 4
        await until(lambda: ward.state(A) is State.STREAMING)
        assert ward.sources[A].counters.failed_connects == 4
        assert ward.sources[A].counters.reopened == 0

    play(lambda: Ward(A), act)


def test_a_link_that_does_not_close_is_left_and_made_anew() -> None:
    async def act(ward: Ward) -> None:
        ward.radio.closes = False
        await until(lambda: ward.state(A) is State.STREAMING)
        ward.radio.closes = True
        ward.radio.links[A][0].dropped()
        await until(lambda: len(ward.radio.links[A]) == 2)
        await until(lambda: ward.state(A) is State.STREAMING)

    play(lambda: Ward(A), act)


def test_what_an_old_link_still_says_is_not_heard() -> None:
    async def act(ward: Ward) -> None:
        await until(lambda: ward.state(A) is State.STREAMING)
        old = ward.radio.links[A][0]
        old.dropped()
        await until(lambda: len(ward.radio.links[A]) == 2 and ward.state(A) is State.STREAMING)
        assert old.received is not None
        old.received(VALUE)
        old.dropped()
        await asyncio.sleep(0.05)
        assert ward.state(A) is State.STREAMING
        assert ward.sources[A].counters.frames == 0
        assert old.closed

    play(lambda: Ward(A), act)


def test_values_keep_a_link_and_silence_ends_it() -> None:
    async def act(ward: Ward) -> None:
        await until(lambda: ward.state(A) is State.STREAMING)
        link = ward.radio.links[A][0]
        assert link.received is not None
        for _ in range(10):
            link.received(VALUE)
            await asyncio.sleep(0.05)
        assert ward.state(A) is State.STREAMING
        await until(lambda: ward.sources[A].counters.silent == 1)
        assert ward.sources[A].counters.frames == 10

    play(lambda: Ward(A, interval_s=0.01), act)


def test_a_stack_that_is_lost_makes_every_link_anew() -> None:
    async def act(ward: Ward) -> None:
        await until(lambda: all(ward.state(a) is State.STREAMING for a in (A, B)))
        ward.stack.lose()
        await until(lambda: all(len(ward.radio.links[a]) == 2 for a in (A, B)))
        await until(lambda: all(ward.state(a) is State.STREAMING for a in (A, B)))
        assert all(ward.sources[a].counters.reopened == 1 for a in (A, B))

    play(lambda: Ward(A, B), act)


def test_a_stack_that_is_lost_in_the_middle_of_a_connect_costs_one_attempt() -> None:
    async def act(ward: Ward) -> None:
        ward.radio.hanging.add(A)
        await until(lambda: ward.state(A) is State.CONNECTING)
        ward.stack.lose()
        ward.radio.hanging.clear()
        await until(lambda: ward.state(A) is State.STREAMING)
        assert ward.sources[A].counters.failed_connects == 1

    play(lambda: Ward(A), act)


def test_one_scan_serves_all_and_rests_when_nobody_is_looked_for() -> None:
    async def act(ward: Ward) -> None:
        await until(lambda: all(ward.state(a) is State.STREAMING for a in (A, B)))
        assert ward.radio.scans == 1
        await until(lambda: ward.radio.scanning_now == 0)

    play(lambda: Ward(A, B), act)


def test_a_scan_that_hears_nobody_is_begun_anew() -> None:
    async def act(ward: Ward) -> None:
        ward.radio.addresses.clear()
        await until(lambda: ward.radio.scans >= 3)
        ward.radio.addresses.add(A)
        await until(lambda: ward.state(A) is State.STREAMING)

    play(lambda: Ward(A), act)
