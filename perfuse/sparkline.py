"""A series of numbers as a line of block characters. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_ABSENT = "·"


def sparkline(values: Sequence[float], width: int) -> str:
    """The values from their least to their most, oldest first, squeezed into ``width`` characters.

    A character that stands for several shows the one farthest from the middle, so that the spikes
    of an ECG do not vanish; one that has only absent values (NaN) is a dot.
    """
    present = [value for value in values if math.isfinite(value)]
    if not present:
        return _ABSENT * min(width, len(values))
    low, high = min(present), max(present)
    middle = sum(present) / len(present)
    count = min(width, len(values))
    edges = [len(values) * i // count for i in range(count + 1)]
    cells = (values[edges[i] : edges[i + 1]] for i in range(count))
    return "".join(_block(cell, low, high, middle) for cell in cells)


def _block(cell: Sequence[float], low: float, high: float, middle: float) -> str:
    present = [value for value in cell if math.isfinite(value)]
    if not present:
        return _ABSENT
    value = max(present, key=lambda each: abs(each - middle))
    if high <= low:
        return _BLOCKS[3]
    return _BLOCKS[min(7, int((value - low) / (high - low) * 8))]
