"""What goes wrong in a run, and when: all of it from one generator. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

AGGREGATOR = "aggregator"
# A kill in the middle of something comes after so many writes and messages at most.
_MOST_STEPS = 60


class FaultKind(StrEnum):
    """What a fault does."""

    KILL = "kill"  # SIGKILL of a party between two of its steps
    KILL_INSIDE = "kill-inside"  # ... in front of or behind one of its writes or messages
    POWER_CUT = "power-cut"  # its end is noticed by nobody
    POWER_CUT_INSIDE = "power-cut-inside"
    BROKER_CRASH = "broker-crash"  # of a broker that writes before it acknowledges
    BROKER_AMNESIA = "broker-amnesia"  # of one that goes back to its last snapshot
    CUT_RESET = "cut-reset"  # a link is gone and both ends are told
    CUT_SILENT = "cut-silent"  # ... and neither is
    FULL_DISK = "full-disk"  # a party can write nothing, from one of its steps on
    CLOCK_JUMP = "clock-jump"  # a party is killed, and its clock is another one when it is back


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        at_s: when.
        kind: what.
        party: whom it befalls; empty is the broker.
        lasting_s: until it is mended, or the party is started again.
        steps: writes and messages of the party until a kill inside, or until its disk is full.
        at_round_end: whether the steps are counted from when a round next ends.
        jump_s: by how much a clock jumps.
    """

    at_s: float
    kind: FaultKind
    party: str
    lasting_s: float
    steps: int = 0
    at_round_end: bool = False
    jump_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Weather:
    """How much goes wrong.

    Attributes:
        faults: how many, in all.
        until_s: when the last of them begins.
        longest_s: how long one lasts at most.
        clocks: by how many seconds a clock jumps at most; 0 leaves clocks alone.
    """

    faults: int
    until_s: float
    longest_s: float
    clocks: float = 0.0


# How often each kind is drawn, for a gateway and for the aggregator; the broker's come third.
_OF_A_GATEWAY = {
    FaultKind.KILL: 2,
    FaultKind.KILL_INSIDE: 6,
    FaultKind.POWER_CUT: 1,
    FaultKind.POWER_CUT_INSIDE: 3,
    FaultKind.CUT_RESET: 3,
    FaultKind.CUT_SILENT: 3,
    FaultKind.FULL_DISK: 2,
}
_OF_THE_AGGREGATOR = {
    FaultKind.KILL: 1,
    FaultKind.KILL_INSIDE: 5,
    FaultKind.POWER_CUT_INSIDE: 2,
    FaultKind.CUT_RESET: 1,
    FaultKind.CUT_SILENT: 1,
    FaultKind.FULL_DISK: 1,
}
_OF_THE_BROKER = {FaultKind.BROKER_CRASH: 1, FaultKind.BROKER_AMNESIA: 2}
_WHOSE = (0.6, 0.25, 0.15)
_CLOCK_SHARE = 0.15
# Much hangs on what happens between the last update of a round and the next plan.
_ROUND_END_SHARE = 0.4
_ROUND_END_STEPS = 8


def faults_of(
    rng: np.random.Generator, gateways: tuple[str, ...], weather: Weather
) -> tuple[Fault, ...]:
    """Draw a run's faults, in the order of their times."""
    times = np.sort(rng.random(weather.faults)) * weather.until_s
    return tuple(_draw(rng, float(at_s), gateways, weather) for at_s in times)


def _draw(
    rng: np.random.Generator, at_s: float, gateways: tuple[str, ...], weather: Weather
) -> Fault:
    whose = rng.choice(3, p=_WHOSE)
    party = (gateways[rng.integers(len(gateways))], AGGREGATOR, "")[whose]
    kind = _kind(rng, (_OF_A_GATEWAY, _OF_THE_AGGREGATOR, _OF_THE_BROKER)[whose])
    if weather.clocks and party and rng.random() < _CLOCK_SHARE:
        kind = FaultKind.CLOCK_JUMP
    # Most are short; a few last as long as may be.
    lasting_s = 0.5 + weather.longest_s * float(rng.random()) ** 3
    at_round_end = party == AGGREGATOR and bool(rng.random() < _ROUND_END_SHARE)
    steps = 1 + int(rng.integers(_ROUND_END_STEPS if at_round_end else _MOST_STEPS))
    jump_s = float(rng.uniform(-weather.clocks, weather.clocks))
    return Fault(at_s, kind, party, lasting_s, steps, at_round_end, jump_s)


def _kind(rng: np.random.Generator, shares: dict[FaultKind, int]) -> FaultKind:
    weights = np.array(list(shares.values()), np.float64)
    return list(shares)[int(rng.choice(len(shares), p=weights / weights.sum()))]
