"""Puts a stage through cells of the matrix, one fault a round, and says what each cost."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perfuse.chaos import audit
from perfuse.chaos.cells import Cell, Fault, Outcome, Phase
from perfuse.chaos.stage import AGGREGATOR, GATEWAYS, Stage
from perfuse.link.timeline import Ending

_DAY_S = 86_400
_LIMIT_S = 90.0
_BROKER_DOWN_S = 0.3
_LINK_DOWN_S = 0.5
_FULL_S = 1.5


@dataclass(slots=True)
class _Armed:
    """A cell that waits for its phase, and where it struck."""

    cell: Cell
    struck: asyncio.Event
    victim: str = ""
    round: int = 0
    target: int = 0
    at_s: float = 0.0


class Ordeal:
    """Runs cells after each other on one stage.

    Args:
        directory: for state and logs.
        done: called with each outcome; updates lost are known at the end only.
        broker_kind: see :class:`~broker.deploy.embedded.EmbeddedBroker`.
    """

    def __init__(
        self, directory: Path, done: Callable[[Outcome], None], broker_kind: str = ""
    ) -> None:
        self._stage = Stage(directory, self._tripped, broker_kind)
        self._done = done
        self._armed: _Armed | None = None
        self._committed = asyncio.Event()
        self._double = 0
        self._under_fold = 0
        self._evidence: list[str] = []
        self._kills = 0
        self._background: set[asyncio.Task[None]] = set()

    @property
    def broker(self) -> str:
        """Which broker it is."""
        return self._stage.broker.kind

    @property
    def kills(self) -> int:
        """How often a process was ended by SIGKILL."""
        return self._kills

    async def run(self, cells: list[Cell]) -> list[Outcome]:
        """Put the stage through the cells; returns what each cost."""
        try:
            await self._stage.open()
            await self._until_round(2, time.monotonic() + _LIMIT_S)
            struck = [await self._endure(cell) for cell in cells]
            return await self._with_losses(struck)
        finally:
            await self._stage.close()

    async def _endure(self, cell: Cell) -> tuple[int, int, Outcome]:
        """Strike once; returns the first and the last round that the fault can have touched."""
        armed = _Armed(cell, asyncio.Event())
        self._double = self._under_fold = 0
        self._evidence.clear()
        self._armed = armed
        note = ""
        try:
            await asyncio.wait_for(armed.struck.wait(), _LIMIT_S)
        except TimeoutError:
            note = "the phase never came"
        self._armed = None
        target = armed.target
        if not note and not await self._until_round(target, armed.at_s + _LIMIT_S):
            note = f"round {target} did not end in {_LIMIT_S:.0f} s"
        recovery_s = time.monotonic() - armed.at_s if armed.at_s else _LIMIT_S
        if cell.fault in (Fault.CLOCK_AHEAD, Fault.CLOCK_BACK) and armed.victim:
            target = await self._set_clock_right(armed.victim)
        rounds = audit.open_rounds(self._stage.state(AGGREGATOR))
        abandoned = sum(
            state == "abandoned" for number, state in rounds.items() if number >= armed.round
        )
        seen = tuple(self._evidence)
        outcome = Outcome(cell, self._under_fold, self._double, abandoned, recovery_s, note, seen)
        self._done(outcome)
        return armed.round, target, outcome

    async def _with_losses(self, struck: list[tuple[int, int, Outcome]]) -> list[Outcome]:
        """Wait for the last receipts, and see which updates were never folded, by round."""
        states = [self._stage.state(name) for name in GATEWAYS]
        newest = max((last for _, last, _ in struck), default=0)
        limit_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < limit_s and any(
            audit.round_of(plan) <= newest for state in states for plan in audit.unsettled(state)
        ):
            await self._next_commit(limit_s)
        lost = [
            (audit.round_of(plan), f"an update of {state.name} for plan {plan} is {status}")
            for state in states
            for plan, status in audit.lost(state).items()
        ]
        return [
            _with(o, [seen for number, seen in lost if first <= number <= last])
            for first, last, o in struck
        ]

    async def _tripped(self, name: str, what: str) -> None:
        if what.startswith("folded"):
            self._check_fold(what)
        elif what == Phase.PUBLISH:
            self._committed.set()
        armed = self._armed
        if armed is None or what != armed.cell.phase:
            return
        self._armed = None
        armed.victim, armed.at_s = name, time.monotonic()
        rounds = audit.open_rounds(self._stage.state(AGGREGATOR))
        armed.round = max(rounds)
        # Between two rounds it is the next one that the fault may hold up.
        armed.target = armed.round + (rounds[armed.round] != "open")
        await self._strike(armed.cell.fault, name)
        armed.struck.set()

    def _check_fold(self, what: str) -> None:
        """Compare what the aggregator is about to commit with what it has receipted."""
        updates, weight = (float(word) for word in what.split()[1:])
        durable = audit.durable_fold(self._stage.state(AGGREGATOR))
        same = updates == durable.updates and math.isclose(weight, durable.weight, rel_tol=1e-9)
        if not same:
            more = updates > durable.updates or weight > durable.weight
            self._double += more
            self._under_fold += not more
            self._evidence.append(
                f"{updates:g} updates of weight {weight:g} are committed, "
                f"{durable.updates} of {durable.weight:g} are in the log"
            )

    async def _strike(self, fault: Fault, name: str) -> None:
        gateway = name if name in GATEWAYS else GATEWAYS[0]
        self._kills += fault.kills
        match fault:
            case Fault.KILL_AGGREGATOR:
                self._stage.victims[AGGREGATOR].kill()
            case Fault.KILL_GATEWAY:
                self._stage.victims[gateway].kill()
            case Fault.KILL_BROKER:
                await asyncio.to_thread(self._stage.broker.kill)
                await asyncio.sleep(_BROKER_DOWN_S)
                await asyncio.to_thread(self._stage.broker.start)
            case Fault.CUT_LINK:
                self._stage.links[gateway].go_down(Ending.RESET)
                await asyncio.sleep(_LINK_DOWN_S)
                self._stage.links[gateway].come_up()
            case Fault.FULL_DISK:
                self._stage.victims[name].disk.fill()
                self._later(self._free(name))
            case Fault.CLOCK_AHEAD | Fault.CLOCK_BACK:
                sign = 1 if fault is Fault.CLOCK_AHEAD else -1
                self._stage.victims[name].clock_s = sign * _DAY_S
                self._stage.victims[name].kill()

    async def _free(self, name: str) -> None:
        await asyncio.sleep(_FULL_S)
        self._stage.victims[name].disk.free()

    async def _set_clock_right(self, name: str) -> int:
        """Which is one more jump, and one more death."""
        self._stage.victims[name].clock_s = 0
        self._stage.victims[name].kill()
        self._kills += 1
        target = max(audit.open_rounds(self._stage.state(AGGREGATOR))) + 1
        await self._until_round(target, time.monotonic() + _LIMIT_S)
        return target

    async def _until_round(self, number: int, limit_s: float) -> bool:
        """Wait until a round is committed, or one after it if it was abandoned."""
        while True:
            path = self._stage.state(AGGREGATOR) / "rounds.sqlite"
            rounds = audit.open_rounds(path.parent) if path.exists() else {}
            if any(n >= number and state == "committed" for n, state in rounds.items()):
                return True
            if not await self._next_commit(limit_s):
                return False

    async def _next_commit(self, limit_s: float) -> bool:
        self._committed.clear()
        try:
            await asyncio.wait_for(self._committed.wait(), max(limit_s - time.monotonic(), 0))
        except TimeoutError:
            return False
        return True

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _with(outcome: Outcome, lost: list[str]) -> Outcome:
    evidence = (*outcome.evidence, *lost)
    return replace(outcome, lost=outcome.lost + len(lost), evidence=evidence)
