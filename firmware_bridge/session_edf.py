"""Recorded sessions from EDF and EDF+ files (Kemp and Olivan 2003). Needs the extra ``edf``."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.errors import RecordingError
from firmware_bridge.frame import MAX_CHANNELS, MAX_NAME_BYTES, MAX_UNIT_BYTES
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel

# What EDF files call units that UCUM writes otherwise.
_UCUM = {"mmHg": "mm[Hg]", "degC": "Cel", "bpm": "/min", "g": "[g]", "": "1"}


def read_session_edf(path: Path) -> tuple[RecordedSession, ...]:
    """The signals of a file as physical values, those of one rate as one session of 16 at most.

    Annotations that last become the labels of the time that they cover.

    Raises:
        RecordingError: the file cannot be read, has gaps, or no signals.
        ModuleNotFoundError: edfio is not installed.
    """
    import edfio  # noqa: PLC0415  # an extra: no gateway needs it

    try:
        file = edfio.read_edf(path)
    except (OSError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise RecordingError(path, f"is not read as EDF: {error}") from error
    if not file.is_continuous:
        raise RecordingError(path, "has gaps between its data records (EDF+D); split it at them")
    by_rate: dict[float, list[Any]] = defaultdict(list)
    for signal in file.signals:
        by_rate[signal.sampling_frequency].append(signal)
    if not by_rate:
        raise RecordingError(path, "has no signals")
    start_ns = _start_ns(file)
    spans = [
        (round(a.onset * 1e9), round((a.onset + a.duration) * 1e9), a.text[:60])
        for a in file.annotations
        if a.duration and a.text
    ]
    return tuple(
        _session(path, rate_hz, signals[at : at + MAX_CHANNELS], start_ns, spans)
        for rate_hz, signals in sorted(by_rate.items(), reverse=True)
        for at in range(0, len(signals), MAX_CHANNELS)
    )


Span = tuple[int, int, str]


def _start_ns(file: Any) -> int:
    try:
        moment = file.startdatetime
    except ValueError:  # an anonymised date
        return 0
    return int(moment.replace(tzinfo=UTC).timestamp()) * 10**9


def _session(
    path: Path, rate_hz: float, signals: list[Any], start_ns: int, spans: list[Span]
) -> RecordedSession:
    readings = np.stack([signal.data for signal in signals], axis=1).astype(np.float32)
    channels = tuple(_channel(signal.label, signal.physical_dimension) for signal in signals)
    interval_ns = round(1e9 / rate_hz)
    cuts = {0, len(readings)}
    for begins, ends, _ in spans:
        cuts |= {min(len(readings), round(edge / interval_ns)) for edge in (begins, ends)}
    edges = sorted(cuts)
    segments = tuple(
        Segment(_label(a * interval_ns, spans), start_ns + a * interval_ns, readings[a:b])
        for a, b in pairwise(edges)
    )
    try:
        return RecordedSession(channels, interval_ns, segments)
    except ValueError as error:
        raise RecordingError(path, str(error)) from error


def _label(at_ns: int, spans: list[Span]) -> str | None:
    # A segment may begin up to half a reading before or after the annotation.
    return next((text for begins, ends, text in spans if begins - 1 <= at_ns < ends), None)


def _channel(label: str, dimension: str) -> Channel:
    name = label.strip().encode()[:MAX_NAME_BYTES].decode(errors="ignore") or "signal"
    unit = _UCUM.get(dimension, dimension).encode()[:MAX_UNIT_BYTES].decode(errors="ignore")
    return Channel(name, unit)
