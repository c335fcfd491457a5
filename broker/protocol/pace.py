"""When to come back, so that not everybody does at once (Bonawitz et al. 2019, section 2.3). Pure.

The aggregator says over how many seconds its population should spread; each gateway takes its own
place in that window, the same one for the same occasion.
"""

from __future__ import annotations

import hashlib

MAX_WINDOW_S = 3600.0


def window_s(gateways: int, arrivals_per_s: float) -> float:
    """Return the window in which so many gateways come at the rate that is welcome."""
    return min(gateways / arrivals_per_s, MAX_WINDOW_S)


def place(gateway: str, occasion: int) -> float:
    """Return a gateway's place in any window: 0 to 1, evenly spread over gateways."""
    digest = hashlib.sha256(f"{occasion}/{gateway}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
