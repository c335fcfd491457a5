"""Kills a party in the middle of what it does: in front of or behind a write, or a message."""

from __future__ import annotations

from perfuse.link.timeline import Ending
from perfuse.simulation.party import Killed


class Tripwire:
    """One party's; it counts the party's steps once it is armed."""

    def __init__(self) -> None:
        self._left = 0
        self._killed = Killed(0.0)

    def arm(self, steps: int, down_s: float, ending: Ending) -> None:
        """Let the party die at one of its next steps, and come back after a while."""
        self._left = steps
        self._killed = Killed(down_s, ending)

    def step(self) -> None:
        """Count a step.

        Raises:
            Killed: it was the last one.
        """
        if self._left:
            self._left -= 1
            if not self._left:
                raise self._killed
