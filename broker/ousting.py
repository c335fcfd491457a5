"""Tells being ousted by another client of our id from a link that is merely bad. Pure.

A broker closes a client's connection when another one connects with its id (MQTT 3.1.1, section
3.1.4). Two agents of one identity would so throw each other out for ever, at the pace of their
reconnects. What tells it from a bad link: the broker is there at once each time, and each time it
ends the connection soon. Then the wait grows to minutes, but never beyond a tenth of the time that
it has gone on for: a link that is cut again and again looks the same, and must not be left alone.
"""

from __future__ import annotations

from collections.abc import Callable

_SOON_S = 10.0
# So many connections in a row must have ended soon; a restarting broker ends one or two.
_SUSPICIOUS = 4
_FIRST_WAIT_S = 4.0
_SHARE = 0.1
_LAST_WAIT_S = 300.0
# The other one waits as we do, so that a connection lasts about as long as the waits: the wait
# after ours is at most twice as long, and jitter makes up to twice of that.
_LASTING_WAITS = 5.0


class OustWatch:
    """Counts connections that were closed soon after they were made.

    Args:
        jitter: draws a number from [0, 1).

    Attributes:
        closed: so many in a row.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._connected_at: float | None = None
        self._row_began_at = 0.0
        self._wait_s = 0.0
        self.closed = 0

    def connected(self, now: float) -> None:
        """The broker has accepted us."""
        self._connected_at = now

    def unreachable(self) -> None:
        """No connection came about, or it fell silent: it is the link, nobody ousts us."""
        self._connected_at = None
        self.closed, self._wait_s = 0, 0.0

    def lost(self, now: float) -> float:
        """The broker has closed the connection; return seconds to wait, 0 when it is as usual."""
        began, self._connected_at = self._connected_at, None
        if began is None:  # it never accepted us
            return 0.0
        if now - began >= max(_SOON_S, _LASTING_WAITS * self._wait_s):
            self.closed, self._wait_s = 0, 0.0
            return 0.0
        if not self.closed:
            self._row_began_at = began
        self.closed += 1
        if self.closed < _SUSPICIOUS:
            return 0.0
        wait_s = min(max(_FIRST_WAIT_S, _SHARE * (now - self._row_began_at)), _LAST_WAIT_S)
        self._wait_s = wait_s * (0.5 + 0.5 * self._jitter())
        return self._wait_s
