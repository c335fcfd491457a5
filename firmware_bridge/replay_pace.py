"""When a replayed frame is due, by a clock that the caller reads."""

from __future__ import annotations


class ReplayPace:
    """Maps the times of a recording to those of a replay.

    Args:
        speed: 1 is real time, ``math.inf`` as fast as it is read.
        now_s: the caller's monotonic clock at the recording's zero.
    """

    def __init__(self, speed: float, now_s: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed}")
        self._speed = speed
        self._origin_s = now_s

    def delay_s(self, due_ns: int, now_s: float) -> float:
        """Seconds until the frame of ``due_ns`` is due; 0 when it is."""
        return max(0.0, self._origin_s + due_ns / 1e9 / self._speed - now_s)

    def hold(self, held_s: float) -> None:
        """The replay stood still for so long: what follows is that much later."""
        self._origin_s += held_s
