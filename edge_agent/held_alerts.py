"""What is said when alerts of a sensor are held back because it does not read its wearer. Pure."""

from __future__ import annotations

from firmware_bridge.quality import Reason

# Windows in a row: one bad reading is no news, a probe that has slipped off is.
_BLIND_AFTER = 3


class HeldAlerts:
    """Notices when a sensor stops reading its wearer, and when it reads again.

    Monitors call this a technical alarm condition: nobody is in danger for all that is known, but
    nobody would be told.
    """

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}
        self._said: dict[str, str] = {}

    def judge(self, sensor: str, held: tuple[Reason, ...]) -> str:
        """Take why the next window of a sensor holds alerts back, if it does; returns what is new.

        Empty where nothing is.
        """
        row = self._in_a_row.get(sensor, 0)
        if not held:
            self._in_a_row.pop(sensor, None)
            self._said.pop(sensor, None)
            return f"sensor {sensor} reads its wearer again" if row >= _BLIND_AFTER else ""
        self._in_a_row[sensor] = row + 1
        if row + 1 != _BLIND_AFTER:
            return ""
        return f"CHECK sensor {sensor}: {', '.join(held)}; its alerts are held back"

    def alarming(self, sensor: str, what: str, held: tuple[Reason, ...]) -> str:
        """Take a detection that would have alarmed; returns what is new, once for each stretch."""
        if self._said.get(sensor) == what:
            return ""
        self._said[sensor] = what
        return f"held back: {what} on {sensor}, for the readings are unclean: {', '.join(held)}"
