"""Keeps one sensor's link for months: does what its state machine says, and tells it what happened.

Each step of the machine is a task; what an ended step or link still has to say is not heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

from firmware_bridge.ble.adapter import Adapter
from firmware_bridge.ble.link_state import Action, Event, LinkMachine, State
from firmware_bridge.ble.radio import Advertisement, RadioLink
from firmware_bridge.ble.shared_scanner import Wanted
from firmware_bridge.errors import LinkError
from firmware_bridge.source import SourceCounters

_logger = logging.getLogger(__name__)

Subscribe = Callable[[RadioLink, Callable[[bytes], None]], Coroutine[object, object, None]]


class Supervisor:
    """One sensor on one adapter.

    Args:
        sensor: for the log and the tasks' names.
        adapter: shared with other sensors.
        wanted: tells the sensor's advertisement.
        bond: whether its profile needs an encrypted link.
        interval_s: longest time between two values; None where silence says nothing.
        subscribe: makes a fresh link deliver values to the callback that it is given.
        received: takes the values.
        counters: of the source.
    """

    def __init__(
        self,
        sensor: str,
        adapter: Adapter,
        *,
        wanted: Wanted,
        bond: bool,
        interval_s: float | None,
        subscribe: Subscribe,
        received: Callable[[bytes], None],
        counters: SourceCounters,
    ) -> None:
        self._sensor = sensor
        self._adapter = adapter
        self._wanted = wanted
        self._bond = bond
        self._subscribe = subscribe
        self._received = received
        self._counters = counters
        self._machine = LinkMachine(adapter.limits, interval_s, adapter.backoff())
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._step: asyncio.Task[None] | None = None
        self._step_number = 0
        self._found: Advertisement | None = None
        self._link: RadioLink | None = None
        self._streamed_before = False
        self._last_reason = ""

    @property
    def state(self) -> State:
        """Where the link is."""
        return self._machine.state

    async def run(self) -> None:
        """Keep the link until cancelled; then it is closed."""
        async with self._adapter.in_use(lambda: self._tell(Event.STACK_LOST)):
            try:
                self._tell(Event.START)
                while True:
                    self._handle(await self._next_event())
            finally:
                await self._leave()

    def _tell(self, event: Event, step_number: int | None = None) -> None:
        number = self._step_number if step_number is None else step_number
        self._events.put_nowait((number, event))

    async def _next_event(self) -> Event:
        """The next event of the present step; DEADLINE once the machine's has passed."""
        clock = asyncio.get_running_loop().time
        while True:
            deadline_s = self._machine.deadline_s
            # Data moves the deadline and wakes nobody: it is looked at when the old one passes.
            if deadline_s is not None and clock() >= deadline_s:
                # A loop that stood still has values to read first: it, not the sensor, was silent.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                if self._machine.deadline_s == deadline_s:
                    return Event.DEADLINE
                continue
            try:
                async with asyncio.timeout_at(deadline_s):
                    number, event = await self._events.get()
            except TimeoutError:
                continue
            if number == self._step_number:
                return event

    def _handle(self, event: Event) -> None:
        before = self._machine.state
        action = self._machine.handle(event, asyncio.get_running_loop().time())
        self._count(before, event)
        match action:
            case Action.SEARCH:
                self._begin(self._search())
            case Action.CONNECT:
                self._begin(self._connect())
            case Action.CLOSE:
                self._begin(self._close(self._step))
            case Action.REST:
                self._forget()
                self._begin(None)

    def _begin(self, step: Coroutine[object, object, None] | None) -> None:
        self._step_number += 1
        if self._step is not None:
            self._step.cancel()
        name = f"ble {self._sensor} {self._machine.state.name.lower()}"
        self._step = None if step is None else asyncio.create_task(step, name=name)

    async def _search(self) -> None:
        number = self._step_number
        self._found = await self._adapter.find(self._wanted)
        self._tell(Event.FOUND, number)

    async def _connect(self) -> None:
        assert self._found is not None
        number = self._step_number
        try:
            async with self._adapter.turn:
                self._tell(Event.TURN, number)
                self._link = await self._adapter.radio.connect(
                    self._found,
                    bond=self._bond,
                    dropped=lambda: self._tell(Event.DROPPED, number),
                )
                await self._subscribe(self._link, lambda value: self._take(number, value))
        except LinkError as error:
            self._say_once(str(error))
            self._tell(Event.FAILED, number)
        else:
            self._tell(Event.SUBSCRIBED, number)

    async def _close(self, connecting: asyncio.Task[None] | None) -> None:
        number = self._step_number
        if connecting is not None:
            await asyncio.wait({connecting})
        link, self._link = self._link, None
        if link is not None:
            try:
                await link.disconnect()
            except LinkError as error:
                _logger.debug("sensor %s: %s", self._sensor, error)
        self._tell(Event.CLOSED, number)

    def _forget(self) -> None:
        """What did not close in time is left to itself."""
        self._link = None
        if self._found is not None:
            self._adapter.release(self._found)
            self._found = None

    async def _leave(self) -> None:
        step, self._step = self._step, None
        if step is not None:
            step.cancel()
        try:
            async with asyncio.timeout(self._adapter.limits.close_s):
                await self._close(step)
        except TimeoutError:
            _logger.warning("sensor %s: the link did not close in time", self._sensor)
        finally:
            self._forget()

    def _take(self, number: int, value: bytes) -> None:
        if number != self._step_number:
            return
        self._machine.handle(Event.DATA, asyncio.get_running_loop().time())
        self._received(value)

    def _count(self, before: State, event: Event) -> None:
        if event is Event.SUBSCRIBED and before is State.CONNECTING:
            _logger.info("sensor %s: streaming", self._sensor)
            self._counters.reopened += self._streamed_before
            self._streamed_before = True
            self._last_reason = ""
        elif before is State.STREAMING and self._machine.state is State.CLOSING:
            self._counters.silent += event is Event.DEADLINE
            _logger.warning("sensor %s: link lost (%s)", self._sensor, event.name.lower())
        elif before in (State.QUEUED, State.CONNECTING) and self._machine.state is State.CLOSING:
            self._counters.failed_connects += 1

    def _say_once(self, reason: str) -> None:
        if reason != self._last_reason:
            _logger.warning("sensor %s: not connected, trying again: %s", self._sensor, reason)
            self._last_reason = reason
