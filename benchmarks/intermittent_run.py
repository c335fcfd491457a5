"""One run of one side: its links, its kills, and what its rounds came to."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.intermittent_task import Task
from benchmarks.intermittent_troupe import Kill
from perfuse.link.profiles import LinkProfile
from perfuse.link.proxy import LinkProxy

_LOOK_S = 0.1


@dataclass(frozen=True)
class Setup:
    """What is the same for both sides.

    Attributes:
        speed: the links' seconds in a real one.
        limit_s: real seconds after which a run is given up.
        rounds: of training, after which a run is over.
    """

    task: Task
    profile: LinkProfile
    speed: float
    target: float
    limit_s: float
    rounds: int
    kills: tuple[Kill, ...]
    directory: Path

    @property
    def min_gateways(self) -> int:
        """For how many gateways a round waits."""
        return self.profile.min_gateways(self.task.clients)

    @property
    def deadline_s(self) -> float:
        """How long a round waits for answers, real seconds: half a minute and an outage."""
        return 30.0 + self.profile.mean_outage_s / self.speed


@dataclass(frozen=True)
class RoundRow:
    """One round that has ended: how many were asked, how many of them it folded, the score."""

    number: int
    asked: int
    folded: int
    macro_f1: float


@dataclass(frozen=True)
class Reached:
    """The first round whose model reached the target, and what had been spent when it was there."""

    rounds: int
    seconds: float
    uplink_bytes: int
    downlink_bytes: int


@dataclass
class Outcome:
    """What a run came to.

    Attributes:
        asked: contributions that were asked for, in rounds that ended, were abandoned, were ended
            by a kill, and in one that was open at the limit.
        notes: what else happened, for people.
    """

    rows: list[RoundRow] = field(default_factory=list)
    reached: Reached | None = None
    asked: int = 0
    seconds: float = 0.0
    uplink_bytes: int = 0
    downlink_bytes: int = 0
    killed: list[tuple[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def folded(self) -> int:
        """Contributions that are in a model."""
        return sum(row.folded for row in self.rows)


async def follow(
    setup: Setup,
    outcome: Outcome,
    links: list[LinkProxy],
    rows: Callable[[], list[RoundRow]],
    kill: Callable[[str], Awaitable[None]],
) -> None:
    """Look at a run's rows, and kill by the schedule, until its rounds or its time are over."""
    began = time.monotonic()
    schedule = _Schedule(setup.limit_s, list(setup.kills))
    while len(outcome.rows) < setup.rounds and outcome.seconds < setup.limit_s:
        await asyncio.sleep(_LOOK_S)
        outcome.rows = rows()
        outcome.seconds = time.monotonic() - began
        outcome.uplink_bytes = sum(link.up.spent for link in links)
        outcome.downlink_bytes = sum(link.down.spent for link in links)
        if outcome.reached is None:
            outcome.reached = _reached(setup.target, outcome)
        due = schedule.due(outcome.seconds, len(outcome.rows))
        if due is not None:
            outcome.killed.append((due.who, round(outcome.seconds, 1)))
            await kill(due.who)


def _reached(target: float, outcome: Outcome) -> Reached | None:
    for row in outcome.rows:
        if row.macro_f1 >= target:
            spent = (outcome.seconds, outcome.uplink_bytes, outcome.downlink_bytes)
            return Reached(row.number, *spent)
    return None


@dataclass
class _Schedule:
    """When the next kill is due; ``seconds`` are those of the run."""

    limit_s: float
    kills: list[Kill]
    ended_s: list[float] = field(default_factory=list)

    def due(self, seconds: float, rounds: int) -> Kill | None:
        """Return the kill whose time has come, once."""
        while len(self.ended_s) < rounds:
            self.ended_s.append(seconds)
        if not self.kills:
            return None
        first = self.kills[0]
        when_s = first.latest * self.limit_s
        if rounds >= first.rounds:
            shortest_s = min(b - a for a, b in itertools.pairwise(self.ended_s))
            when_s = min(when_s, self.ended_s[first.rounds - 1] + first.phase * shortest_s)
        return self.kills.pop(0) if seconds >= when_s else None
