"""Why a window is unclean, and how unclean it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with a window."""

    RANGE = "range"
    """A reading that no living wearer and no sensor of this kind can give."""
    FLATLINE = "flatline"
    """A channel stands still for longer than such a quantity can."""
    CLIPPING = "clipping"
    """A channel stays at the end of its scale, cut off."""
    GAP = "gap"
    """Too many readings are missing, or were interpolated."""
    DUPLICATE = "duplicate"
    """A stretch of readings, or every reading of a stretch, comes twice."""
    DRIFT = "drift"
    """The baseline moves further than the quantity can within a window."""
    MOTION = "motion"
    """Back and forth, faster and more often than the body does: motion, or a loose contact."""
    SPIKE = "spike"
    """A single reading that jumps away and back faster than physiology."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason on one channel.

    Attributes:
        channel: its name.
        ratio: what was measured, in multiples of what is still believed; 1 or more, as a rule.
    """

    channel: str
    reason: Reason
    ratio: float

    @property
    def score(self) -> float:
        """See :func:`score_of`."""
        return score_of(self.ratio)


@dataclass(frozen=True, slots=True)
class WindowQuality:
    """What the checks say of one window.

    Attributes:
        score: 0 to 1; that of its worst check.
        findings: the checks that failed; none where the window is clean.
    """

    score: float
    findings: tuple[Finding, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether no check failed."""
        return not self.findings

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Each reason once, in the order of the enumeration."""
        found = {finding.reason for finding in self.findings}
        return tuple(reason for reason in Reason if reason in found)


def score_of(ratio: float) -> float:
    """1 where nothing was measured, 0.5 at the limit, falling towards 0 beyond it."""
    return math.exp2(-(min(ratio, 32.0) ** 2))


def ratio_at(score: float) -> float:
    """The ratio whose score this is; infinite for 0, so that nothing falls below it."""
    return math.sqrt(-math.log2(score)) if score > 0 else math.inf
