"""What a serial sensor hears: the commands that start and stop its stream."""

from __future__ import annotations


class StartSwitch:
    """Whether a sensor sends, by what it was told, however the bytes were cut.

    Args:
        start: what makes it send; a sensor without such a command always does.
        stop: what ends that; empty for a sensor that nobody can stop.

    Attributes:
        on: whether it sends now. A cable that is pulled and plugged in again changes nothing.
    """

    def __init__(self, start: bytes = b"", stop: bytes = b"") -> None:
        self._start = start
        self._stop = stop
        self._tail = b""
        self.on = not start

    @property
    def listens(self) -> bool:
        """Whether anything that it hears matters."""
        return bool(self._start)

    def hear(self, data: bytes) -> None:
        """Take bytes of the gateway; what is no command is passed over."""
        if not self.listens:
            return
        heard = self._tail + data
        started = heard.rfind(self._start)
        stopped = heard.rfind(self._stop) if self._stop else -1
        if max(started, stopped) >= 0:
            self.on = started > stopped
            # A command counts once.
            command = self._start if self.on else self._stop
            heard = heard[max(started, stopped) + len(command) :]
        longest = max(len(self._start), len(self._stop))
        self._tail = heard[-(longest - 1) :] if longest > 1 else b""
