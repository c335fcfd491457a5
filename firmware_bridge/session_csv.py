"""A recorded session from a CSV file, as spreadsheets and scripts write it.

The first line names the columns: ``seconds`` first, then channels as ``name`` or ``name/unit`` with
a UCUM unit, and ``label`` where it is known what the wearer did. Readings are evenly spaced; where
the time jumps by more than half an interval, or the label changes, a segment ends.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import RecordingError
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel

# A day at 100 Hz; a simulated sensor holds its recording in memory.
MAX_ROWS = 10_000_000


def read_session_csv(path: Path, rate_hz: float | None = None) -> RecordedSession:
    """Read a session.

    Args:
        path: of the file.
        rate_hz: readings a second of a file that has no column ``seconds``.

    Raises:
        RecordingError: the file cannot be read; names the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            names = next(reader, [])
            lines_of: Iterator[list[str]] = reader
            if rate_hz is not None and names[:1] != ["seconds"]:
                names, lines_of = ["seconds", *names], _timed(reader, rate_hz)
            channels, labelled = _head(path, names)
            rows = list(_rows(path, lines_of, len(channels), labelled))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(path, str(error)) from error
    if len(rows) < 2:
        raise RecordingError(path, "fewer than two readings")
    return _session(path, channels, rows)


def _timed(reader: Iterator[list[str]], rate_hz: float) -> Iterator[list[str]]:
    """The lines with the seconds that they lack."""
    return ([repr(number / rate_hz), *cells] for number, cells in enumerate(reader))


_Row = tuple[int, list[float], str | None]


def _head(path: Path, names: list[str]) -> tuple[tuple[Channel, ...], bool]:
    """The channels, and whether the last column is the label."""
    labelled = names[-1:] == ["label"]
    named = names[1 : len(names) - labelled]
    if names[:1] != ["seconds"] or not named:
        raise RecordingError(path, "line 1 is not: seconds, channels, and label or not")
    parts = (name.partition("/") for name in named)
    return tuple(Channel(name, unit or "1") for name, _, unit in parts), labelled


def _rows(path: Path, reader: Iterator[list[str]], channels: int, labelled: bool) -> Iterator[_Row]:
    for number, cells in enumerate(reader, start=2):
        if number > MAX_ROWS:
            raise RecordingError(path, f"more than {MAX_ROWS} lines")
        if len(cells) != 1 + channels + labelled:
            raise RecordingError(path, f"line {number} has {len(cells)} columns")
        try:
            seconds, *values = map(float, cells[: 1 + channels])
        except ValueError as error:
            raise RecordingError(path, f"line {number}: {error}") from error
        if not all(map(math.isfinite, (seconds, *values))):
            raise RecordingError(path, f"line {number} has a value that is no number")
        yield round(seconds * 1e9), values, (cells[-1] or None) if labelled else None


def _session(path: Path, channels: tuple[Channel, ...], rows: list[_Row]) -> RecordedSession:
    times = np.array([time for time, _, _ in rows], np.int64)
    interval_ns = int(np.median(np.diff(times)))
    if interval_ns <= 0:
        raise RecordingError(path, "the seconds do not grow")
    readings = np.array([values for _, values, _ in rows], np.float32)
    off = np.abs(np.diff(times) - interval_ns) > interval_ns // 2
    other = np.array([a[2] != b[2] for a, b in pairwise(rows)], np.bool_)
    starts = [0, *(int(at) + 1 for at in np.flatnonzero(off | other)), len(rows)]
    segments = tuple(
        _segment(rows, readings, starts[i], starts[i + 1]) for i in range(len(starts) - 1)
    )
    try:
        return RecordedSession(channels, interval_ns, segments)
    except ValueError as error:
        raise RecordingError(path, str(error)) from error


def _segment(rows: list[_Row], readings: NDArray[np.float32], start: int, end: int) -> Segment:
    return Segment(rows[start][2], rows[start][0], readings[start:end])
