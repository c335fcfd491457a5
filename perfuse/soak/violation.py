"""What must hold at every step, and what is raised when it does not."""

from __future__ import annotations

from enum import StrEnum


class Invariant(StrEnum):
    """What a soak run watches."""

    ONCE = "every folded update counts exactly once"
    DURABLE = "a receipt implies durability"
    GROWTH = "versions only grow"
    NOTHING_LOST = "nothing that was journalled is lost"
    MEMORY = "the aggregator's memory is O(model)"
    PROGRESS = "the federation goes on"
    NO_ERROR = "no core raises what its service does not expect"


class Violation(Exception):  # noqa: N818  (it is a finding, not an error of the soak)
    """An invariant does not hold."""

    def __init__(self, invariant: Invariant, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


def require(holds: bool, invariant: Invariant, detail: str) -> None:
    """Check what must hold.

    Raises:
        Violation: it does not.
    """
    if not holds:
        raise Violation(invariant, detail)
