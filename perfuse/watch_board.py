"""What ``perfuse sensors watch`` shows: the last readings of each channel. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from firmware_bridge.sample import Absence, Mark, Sample
from firmware_bridge.source import SourceCounters
from perfuse.sparkline import sparkline

_SECONDS = 10.0
_APERIODIC_VALUES = 60
_MOST_VALUES = 4000
_BOLD, _DIM, _GREEN, _YELLOW, _RED, _PLAIN = (
    "\033[1m",
    "\033[2m",
    "\033[32m",
    "\033[33m",
    "\033[31m",
    "\033[0m",
)
_NAME_COLUMNS, _VALUE_COLUMNS, _RANGE_COLUMNS = 26, 16, 20


@dataclass(slots=True)
class _Series:
    unit: str
    values: deque[float]
    absent: Absence | None = None


@dataclass(slots=True)
class _Panel:
    counters: SourceCounters
    heard_s: float = -math.inf
    label: str | None = None
    series: dict[tuple[str, str], _Series] = field(default_factory=dict)


class WatchBoard:
    """Keeps the last ten seconds of every channel, or the last sixty single readings.

    Args:
        counters: of the sensors, by name, in the order in which they are shown.
    """

    def __init__(self, counters: dict[str, SourceCounters]) -> None:
        self._panels = {name: _Panel(live) for name, live in counters.items()}

    def take(self, event: Sample | Mark, now_s: float) -> None:
        """Take what a source yielded at a monotonic time."""
        panel = self._panels[event.sensor]
        panel.heard_s = now_s
        if isinstance(event, Mark):
            panel.label = event.label
            return
        for index, channel in enumerate(event.channels):
            key = (event.stream, channel.name)
            if key not in panel.series:
                panel.series[key] = _Series(channel.unit, deque(maxlen=_kept(event)))
            series = panel.series[key]
            series.values.extend(event.values[:, index].tolist())
            series.absent = event.absent.get(index)

    def lines(self, width: int, now_s: float, color: bool) -> Iterator[str]:
        """The board as lines of at most ``width`` columns."""
        paint = _Paint(color)
        for name, panel in self._panels.items():
            yield _head(name, panel, now_s, width, paint)
            for (stream, channel), series in panel.series.items():
                title = channel if channel == stream else f"{stream}.{channel}"
                yield _line(title, series, width, paint)
            yield ""


class _Paint:
    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, code: str, text: str) -> str:
        return f"{code}{text}{_PLAIN}" if self._color else text


def _kept(sample: Sample) -> int:
    if not sample.interval_ns:
        return _APERIODIC_VALUES
    return max(2, min(_MOST_VALUES, round(_SECONDS * 1e9 / sample.interval_ns)))


def _head(name: str, panel: _Panel, now_s: float, width: int, paint: _Paint) -> str:
    silent_s = now_s - panel.heard_s
    if math.isinf(silent_s):
        code, state = _YELLOW, "waiting"
    elif silent_s > 5:
        code, state = _RED, f"silent for {silent_s:.0f} s"
    else:
        code, state = _GREEN, "live"
    counters = panel.counters
    told = [f"{counters.frames} frames"]
    told += [
        f"{getattr(counters, what)} {what}"
        for what in ("malformed", "missing", "duplicates", "reopened", "garbage")
        if getattr(counters, what)
    ]
    text = ", ".join(told) + (f"  [{panel.label}]" if panel.label else "")
    room = max(0, width - len(name) - len(state) - 6)
    return (
        f"{paint(code, '●')} {paint(_BOLD, name)}  {paint(code, state)}  {paint(_DIM, text[:room])}"
    )


def _line(title: str, series: _Series, width: int, paint: _Paint) -> str:
    present = [value for value in series.values if math.isfinite(value)]
    last = series.values[-1] if series.values else math.nan
    if math.isfinite(last):
        value = f"{_short(last)} {series.unit}"
    else:
        value = str(series.absent) if series.absent is not None else "absent"
    span = f"{_short(min(present))} .. {_short(max(present))}" if present else ""
    room = width - _NAME_COLUMNS - _VALUE_COLUMNS - _RANGE_COLUMNS - 5
    line = sparkline(tuple(series.values), room) if room >= 4 else ""
    return (
        f"  {_cut(title, _NAME_COLUMNS)} {paint(_BOLD, _cut(value, _VALUE_COLUMNS))} "
        f"{paint(_GREEN, line.ljust(max(0, room)))} {paint(_DIM, _cut(span, _RANGE_COLUMNS))}"
    ).rstrip()


def _short(value: float) -> str:
    return f"{value:.5g}" if abs(value) < 1e5 else f"{value:.0f}"


def _cut(text: str, columns: int) -> str:
    return text[:columns].ljust(columns)
