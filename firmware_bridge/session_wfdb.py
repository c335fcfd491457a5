"""Recorded sessions from WFDB records, as PhysioNet has them. Needs the extra ``wfdb``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.errors import RecordingError
from firmware_bridge.frame import MAX_CHANNELS, MAX_NAME_BYTES, MAX_UNIT_BYTES
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel

_UCUM = {"mmHg": "mm[Hg]", "degC": "Cel", "bpm": "/min", "g": "[g]", "": "1", "NU": "1"}


def read_session_wfdb(path: Path) -> tuple[RecordedSession, ...]:
    """The signals of a record, named by its header file; physical values, 16 channels at most.

    Readings where a signal is missing (NaN) end a segment.

    Raises:
        RecordingError: the record cannot be read.
        ModuleNotFoundError: wfdb is not installed.
    """
    import wfdb  # noqa: PLC0415  # an extra: no gateway needs it

    try:
        record = wfdb.rdrecord(str(path.with_suffix("")))
    except (OSError, ValueError, IndexError) as error:
        raise RecordingError(path, f"is not read as WFDB: {error}") from error
    if record.p_signal is None:
        raise RecordingError(path, "has no signals")
    began = record.base_datetime
    start_ns = round(began.timestamp() * 1e9) if began is not None else 0
    channels = tuple(
        Channel(name[:MAX_NAME_BYTES] or "signal", _UCUM.get(unit, unit)[:MAX_UNIT_BYTES])
        for name, unit in zip(record.sig_name, record.units, strict=True)
    )
    readings = record.p_signal.astype(np.float32)
    interval_ns = round(1e9 / record.fs)
    return tuple(
        RecordedSession(
            channels[at : at + MAX_CHANNELS],
            interval_ns,
            _segments(path, readings[:, at : at + MAX_CHANNELS], start_ns, interval_ns),
        )
        for at in range(0, len(channels), MAX_CHANNELS)
    )


def _segments(
    path: Path,
    readings: NDArray[np.float32],
    start_ns: int,
    step: int,
) -> tuple[Segment, ...]:
    whole = np.isfinite(readings).all(axis=1)
    edges = np.flatnonzero(np.diff(whole, prepend=False, append=False))
    pairs = edges.reshape(-1, 2).tolist()
    if not pairs:
        raise RecordingError(path, "has no reading at which every signal is there")
    return tuple(Segment(None, start_ns + a * step, readings[a:b]) for a, b in pairs)
