"""The matrix: every fault in every phase of a round. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where a round stands at some party, in the order of a round."""

    IDLE = "idle"  # every gateway waits; the aggregator is about to hand out the next plan
    PLAN = "plan"  # the gateway has been handed a plan and has not looked at it
    DOWNLOAD = "download"  # ... a chunk of a model
    TRAINING = "training"  # ... is about to take an optimizer step
    JOURNAL = "journal"  # ... is about to commit the update to its journal
    UPLOAD = "upload"  # ... is about to hand a chunk to the link
    RECEIPT = "receipt"  # ... has been handed a receipt and has not looked at it
    FOLD = "fold"  # the aggregator is about to commit an update to its log
    COMMIT = "commit"  # ... is about to commit a version
    PUBLISH = "publish"  # ... is about to hand the version's announcement to the link

    @property
    def of_aggregator(self) -> bool:
        """Whether it is the aggregator that is in this phase."""
        return self in _AGGREGATOR


_AGGREGATOR = frozenset({Phase.IDLE, Phase.FOLD, Phase.COMMIT, Phase.PUBLISH})


class Fault(StrEnum):
    """What is done to the federation at that moment."""

    KILL_AGGREGATOR = "kill aggregator"
    KILL_GATEWAY = "kill gateway"
    KILL_BROKER = "kill broker"
    CUT_LINK = "cut link"  # a gateway's, in the middle of whatever it carries
    FULL_DISK = "full disk"  # of the party that is in the phase
    CLOCK_AHEAD = "clock +1 day"  # of a gateway, which is then killed and started again
    CLOCK_BACK = "clock -1 day"

    @property
    def kills(self) -> bool:
        """Whether a process is ended by SIGKILL."""
        return self not in (Fault.CUT_LINK, Fault.FULL_DISK)


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault in one phase."""

    fault: Fault
    phase: Phase


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault cost.

    Attributes:
        lost: updates that were journalled and never folded.
        double: updates that were folded more than once.
        lost_rounds: rounds that were abandoned.
        recovery_s: from the fault to the commit of the round that it hit.
        note: what else should be known; empty when all is well.
        evidence: what was seen of each update that is lost or counted twice.
    """

    cell: Cell
    lost: int
    double: int
    lost_rounds: int
    recovery_s: float
    note: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether it cost nothing but time."""
        return not (self.lost or self.double or self.lost_rounds or self.note)


def matrix() -> list[Cell]:
    """Return every cell, fault by fault."""
    return [Cell(fault, phase) for fault in Fault for phase in Phase]


def table(outcomes: list[Outcome]) -> str:
    """Draw the matrix: lost / double-counted / lost rounds, and the median recovery in seconds."""
    rows = ["fault".ljust(16) + "".join(str(phase).rjust(15) for phase in Phase)]
    for fault in Fault:
        cells = "".join(_draw(_of(outcomes, Cell(fault, phase))).rjust(15) for phase in Phase)
        rows.append(str(fault).ljust(16) + cells)
    return "\n".join(rows)


def _of(outcomes: list[Outcome], cell: Cell) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.cell == cell]


def _draw(found: list[Outcome]) -> str:
    if not found:
        return "-"
    sums = (sum(getattr(o, name) for o in found) for name in ("lost", "double", "lost_rounds"))
    times = sorted(o.recovery_s for o in found)
    flaw = "!" if any(o.note for o in found) else ""
    return f"{'/'.join(map(str, sums))} {times[len(times) // 2]:.1f}s{flaw}"
