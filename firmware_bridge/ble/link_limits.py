"""How long a link may take for what, in one place."""

from __future__ import annotations

from dataclasses import dataclass

_SILENCE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Times after which a supervisor stops waiting.

    Attributes:
        connect_s: from the sensor's turn on its adapter until it is subscribed; the other sensors
            of the adapter wait meanwhile.
        close_s: for an orderly disconnect; a link that takes longer is forgotten.
        silence_floor_s: no link is called silent sooner.
        scan_s: a scan that heard nobody for so long is begun anew: it may be stuck.
        backoff_floor_s: the shortest wait after a link ended.
        backoff_cap_s: the longest. Short, because a sensor that is away is waited for by listening
            for its advertisements, and only one that was heard is connected.
    """

    connect_s: float = 25.0
    close_s: float = 5.0
    silence_floor_s: float = 5.0
    scan_s: float = 30.0
    backoff_floor_s: float = 0.25
    backoff_cap_s: float = 6.0

    def silence_s(self, interval_s: float | None) -> float | None:
        """Silence that ends a link, of a sensor that sends every ``interval_s``; None for never."""
        if interval_s is None:
            return None
        return max(self.silence_floor_s, _SILENCE_INTERVALS * interval_s)
