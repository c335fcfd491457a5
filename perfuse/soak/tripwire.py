"""Does something to a party in front of or behind one of its writes or messages."""

from __future__ import annotations

from collections.abc import Callable


class Tripwire:
    """One party's; it counts the party's steps once it is armed."""

    def __init__(self) -> None:
        self._left = 0
        self._act: Callable[[], None] = lambda: None

    def arm(self, steps: int, act: Callable[[], None]) -> None:
        """Let something be done at one of the party's next steps, instead of what was armed."""
        self._left, self._act = steps, act

    def step(self) -> None:
        """Count a step.

        Raises:
            Killed: it was the last one, and kills.
        """
        if self._left:
            self._left -= 1
            if not self._left:
                self._act()
