"""Faults to order: what a bad cable, a bad sensor and a bad radio do to frames. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from firmware_bridge.replay_items import LineOutage, ReplayFrame, ReplayItem

_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How often what happens, as a probability for each frame.

    Attributes:
        drop: the frame is lost.
        duplicate: it comes twice.
        reorder: it comes after the frame behind it.
        flip: one of its bits is another.
        gap: nothing comes for ``gap_s``.
        stall: what is due in the next ``stall_s`` comes at their end, all at once.
        disconnect: the line is lost for ``disconnect_s``, and opened again.
        gap_s, stall_s, disconnect_s: in seconds of the recording.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    flip: float = 0.0
    gap: float = 0.0
    stall: float = 0.0
    disconnect: float = 0.0
    gap_s: float = 5.0
    stall_s: float = 2.0
    disconnect_s: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            most = _LONGEST_S if field.name.endswith("_s") else 1.0
            if not 0 <= getattr(self, field.name) <= most:
                raise ValueError(f"{field.name}: is not a number of 0 to {most:g}")


def parse_faults(text: str) -> FaultRates:
    """The rates of a text such as ``"drop=0.01,gap=0.001,gap_s=3"``; none of an empty one.

    Raises:
        ValueError: an unknown name, or a value that cannot be; names it.
    """
    known = [field.name for field in fields(FaultRates)]
    given: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name.strip() not in known:
            raise ValueError(f"no fault {name.strip()!r}; there are {', '.join(known)}")
        try:
            given[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"{name.strip()}: {value!r} is not a number") from None
    return FaultRates(**given)


@dataclass(slots=True)
class FaultCounters:
    """What was done so far, in frames but for the last three.

    Offered + duplicated = passed + dropped + in_gaps + in_outages, always.

    Attributes:
        offered, passed: frames that came to the faults, and that left them.
        dropped, duplicated, reordered, flipped: frames that this happened to.
        in_gaps, in_outages: frames lost in these.
        gaps, stalls, disconnects: how many there were.
    """

    offered: int = 0
    passed: int = 0
    dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    flipped: int = 0
    in_gaps: int = 0
    in_outages: int = 0
    gaps: int = 0
    stalls: int = 0
    disconnects: int = 0


Lost = Callable[[str, ReplayFrame], None]


class Faults:
    """Does to a replay what was ordered, and counts it.

    Args:
        rng: decides which frames are hit.
        rates: how many.
        lost: is told of every frame that never arrives, with the fault's name.
        copied: is told of every frame that arrives once more.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        rates: FaultRates,
        *,
        lost: Lost = lambda _reason, _frame: None,
        copied: Callable[[ReplayFrame], None] = lambda _frame: None,
    ) -> None:
        self._rng = rng
        self._rates = rates
        self._lost = lost
        self._copied = copied
        self.counters = FaultCounters()

    def apply(self, items: Iterable[ReplayItem]) -> Iterator[ReplayItem]:
        """What arrives."""
        for item in self._reorder(self._stall(self._flip(self._repeat(self._lose(items))))):
            self.counters.passed += isinstance(item, ReplayFrame)
            yield item

    def _lose(self, items: Iterable[ReplayItem]) -> Iterator[ReplayItem]:
        counters, rates = self.counters, self._rates
        gap_until_ns = outage_until_ns = -1
        for item in items:
            if isinstance(item, LineOutage):
                yield item
                continue
            counters.offered += 1
            if item.due_ns >= max(outage_until_ns, gap_until_ns):
                if self._hits(rates.disconnect):
                    counters.disconnects += 1
                    outage_until_ns = item.due_ns + round(rates.disconnect_s * 1e9)
                    yield LineOutage(item.due_ns, outage_until_ns - item.due_ns)
                elif self._hits(rates.gap):
                    counters.gaps += 1
                    gap_until_ns = item.due_ns + round(rates.gap_s * 1e9)
            if item.due_ns < outage_until_ns:
                counters.in_outages += 1
                self._lost("disconnect", item)
            elif item.due_ns < gap_until_ns:
                counters.in_gaps += 1
                self._lost("gap", item)
            elif self._hits(rates.drop):
                counters.dropped += 1
                self._lost("drop", item)
            else:
                yield item

    def _repeat(self, items: Iterable[ReplayItem]) -> Iterator[ReplayItem]:
        for item in items:
            yield item
            if isinstance(item, ReplayFrame) and self._hits(self._rates.duplicate):
                self.counters.duplicated += 1
                self._copied(item)
                yield item

    def _flip(self, items: Iterable[ReplayItem]) -> Iterator[ReplayItem]:
        for item in items:
            if isinstance(item, ReplayFrame) and item.data and self._hits(self._rates.flip):
                self.counters.flipped += 1
                data = bytearray(item.data)
                data[self._rng.integers(len(data))] ^= 1 << int(self._rng.integers(8))
                yield replace(item, data=bytes(data), damaged=True)
            else:
                yield item

    def _stall(self, items: Iterable[ReplayItem]) -> Iterator[ReplayItem]:
        until_ns = -1
        for item in items:
            free = isinstance(item, ReplayFrame) and item.due_ns >= until_ns
            if free and self._hits(self._rates.stall):
                self.counters.stalls += 1
                until_ns = item.due_ns + round(self._rates.stall_s * 1e9)
            yield replace(item, due_ns=until_ns) if item.due_ns < until_ns else item

    def _reorder(self, items: Iterable[ReplayItem]) -> Iterator[ReplayItem]:
        held: ReplayFrame | None = None
        for item in items:
            if held is not None:
                # An outage ends the wait: a frame does not come out of a line that is gone.
                pair = (item, held) if isinstance(item, ReplayFrame) else (held, item)
                self.counters.reordered += isinstance(item, ReplayFrame)
                held = None
                yield from (replace(each, due_ns=item.due_ns) for each in pair)
            elif isinstance(item, ReplayFrame) and self._hits(self._rates.reorder):
                held = item
            else:
                yield item
        if held is not None:
            yield held

    def _hits(self, rate: float) -> bool:
        return rate > 0 and self._rng.random() < rate
