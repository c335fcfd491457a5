"""One run of one side: its links, its kills, and what its rounds came to."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.intermittent_task import Task
from benchmarks.intermittent_troupe import Kill
from perfuse.link.profiles import LinkProfile
from perfuse.link.proxy import LinkProxy


@dataclass(frozen=True)
class Setup:
    """What is the same for both sides.

    Attributes:
        speed: the links' seconds in a real one.
        limit_s: real seconds after which a run is given up.
        rounds: more than will be needed.
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


@dataclass
class Outcome:
    """What a run came to.

    Attributes:
        notes: what else happened, for people.
    """

    rows: list[RoundRow] = field(default_factory=list)
    reached: bool = False
    seconds: float = 0.0
    uplink_bytes: int = 0
    downlink_bytes: int = 0
    killed: list[Kill] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """Contributions that all rounds asked for."""
        return sum(row.asked for row in self.rows)

    @property
    def folded(self) -> int:
        """Contributions of those that were folded."""
        return sum(row.folded for row in self.rows)


async def follow(
    setup: Setup,
    outcome: Outcome,
    links: list[LinkProxy],
    rows: Callable[[], list[RoundRow]],
    kill: Callable[[str], Awaitable[None]],
) -> None:
    """Look at a run's rows, and kill by the schedule, until the target or the limit is reached."""
    began = time.monotonic()
    ended: dict[int, float] = {}
    due = list(setup.kills)
    while not outcome.reached and outcome.seconds < setup.limit_s:
        await asyncio.sleep(0.25)
        outcome.rows = rows()
        outcome.seconds = time.monotonic() - began
        outcome.reached = any(row.macro_f1 >= setup.target for row in outcome.rows)
        for count in range(len(outcome.rows) + 1):
            ended.setdefault(count, time.monotonic())
        if due and time.monotonic() >= ended.get(due[0].rounds, math.inf) + due[0].delay_s:
            outcome.killed.append(due[0])
            await kill(due.pop(0).who)
    outcome.uplink_bytes = sum(link.up.spent for link in links)
    outcome.downlink_bytes = sum(link.down.spent for link in links)
