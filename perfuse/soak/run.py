"""Many seeds, one after the other or in a few processes, and what became of each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from traceback import extract_tb

from perfuse.soak.scenario import Scenario, scenario_of
from perfuse.soak.stage import Played, Stage
from perfuse.soak.trace import Happening, Trace
from perfuse.soak.violation import Invariant, Violation

# So many seeds are handed to a process at once.
_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """What a seed has shown to be wrong, and what happened last before it."""

    invariant: Invariant
    detail: str
    at_s: float
    last: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed; one of the two is there."""

    seed: int
    played: Played | None
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """Which seeds, and what is drawn for each.

    Attributes:
        first, seeds: the first one, and how many.
        processes: that share them; the outcomes are the same.
        size: gateways and rounds of every seed; ``None`` has the seed decide.
    """

    first: int = 0
    seeds: int = 200
    processes: int = 1
    size: tuple[int, int] | None = None


def soak(options: SoakOptions) -> Iterator[Outcome]:
    """Play every seed; yields them in order."""
    seeds = range(options.first, options.first + options.seeds)
    play = partial(play_seed, size=options.size)
    if options.processes == 1:
        yield from map(play, seeds)
        return
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        yield from pool.map(play, seeds, chunksize=_AT_ONCE)


def play_seed(seed: int, *, size: tuple[int, int] | None = None) -> Outcome:
    """Play what a seed stands for; see :func:`~perfuse.soak.scenario.scenario_of`."""
    return play(scenario_of(seed, size=size))


def play(scenario: Scenario) -> Outcome:
    """Play a scenario; whatever goes wrong is a finding."""
    quiet = logging.getLogger("edge_agent")
    before, quiet.level = quiet.level, logging.CRITICAL  # full disks are ordered here
    with closing(Stage(scenario)) as stage:
        try:
            return Outcome(scenario.seed, stage.play(), None)
        except Violation as violation:
            finding = _finding(stage.trace, violation.invariant, violation.detail)
        except Exception as error:  # noqa: BLE001  (any error of a core is what is looked for)
            finding = _finding(stage.trace, Invariant.NO_ERROR, _words(error))
        finally:
            quiet.level = before
    return Outcome(scenario.seed, None, finding)


def _finding(trace: Trace, invariant: Invariant, detail: str) -> Finding:
    return Finding(invariant, detail, trace.now_s, trace.last)


def _words(error: Exception) -> str:
    where = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {where.filename}:{where.lineno}: {error}"
