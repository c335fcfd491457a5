"""The demo's data: smartwatch recordings of shoulder exercises, from the seglearn wheel.

Burns et al., Physiological Measurement 39 (2018), arXiv:1802.01489: ten subjects, seven exercises,
both arms, 50 Hz. The wheel is BSD-licensed. The library is not imported: its one data file is read,
converted once into an .npz without pickles, and never unpickled again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.sample import Channel

RATE_HZ = 50
_INTERVAL_NS = 1_000_000_000 // RATE_HZ
# The recordings do not say when they were made; nothing depends on it.
_EPOCH_NS = 1_500_000_000 * 1_000_000_000
_PAUSE_NS = 5 * 1_000_000_000
_CHANNELS = tuple(Channel(name, "[g]") for name in ("ax", "ay", "az")) + tuple(
    Channel(name, "rad/s") for name in ("wx", "wy", "wz")
)


class RecordingsMissingError(Exception):
    """The recordings are not on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "the smartwatch recordings are missing; get them with: pip install 'perfuse[demo]'"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """Sessions by subject, 1 to 10: each a smartwatch's readings and what was exercised."""

    sessions: dict[int, RecordedSession]

    def windows(self, subject: int, length: int, hop: int) -> int:
        """Return how many windows of one exercise each a subject's session has."""
        lengths = [len(segment.readings) for segment in self.sessions[subject].segments]
        return sum((n - length) // hop + 1 for n in lengths if n >= length)

    def seconds(self, subject: int) -> float:
        """Return how long a subject's session lasts."""
        session = self.sessions[subject]
        first, last = session.segments[0], session.segments[-1]
        return (session.end_ns(last) - first.start_ns) / 1e9


def load_recordings(cache: Path | None = None) -> Recordings:
    """Read the recordings, converting them on first use.

    Args:
        cache: directory of the converted file; the user's cache when not given.

    Raises:
        RecordingsMissingError: the wheel is not installed.
    """
    directory = cache or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "perfuse"
    path = directory / "seglearn-watch-1.npz"
    if not path.exists():
        _convert(_wheel_file(), path)
    with np.load(path, allow_pickle=False) as arrays:
        return _recordings(
            arrays["readings"], arrays["lengths"], arrays["labels"], arrays["subjects"]
        )


def _recordings(
    readings: NDArray[np.float32],
    lengths: NDArray[np.int64],
    labels: NDArray[np.str_],
    subjects: NDArray[np.int64],
) -> Recordings:
    trials = np.split(readings, np.cumsum(lengths)[:-1])
    sessions = {}
    for subject in sorted(set(subjects.tolist())):
        segments, start_ns = [], _EPOCH_NS
        for i in np.flatnonzero(subjects == subject).tolist():
            segments.append(Segment(str(labels[i]), start_ns, trials[i]))
            start_ns += len(trials[i]) * _INTERVAL_NS + _PAUSE_NS
        sessions[subject] = RecordedSession(_CHANNELS, _INTERVAL_NS, tuple(segments))
    return Recordings(sessions)


def _wheel_file() -> Path:
    found = find_spec("seglearn")
    if found is None or not found.submodule_search_locations:
        raise RecordingsMissingError
    path = Path(found.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    if not path.exists():
        raise RecordingsMissingError
    return path


def _convert(source: Path, target: Path) -> None:
    """Unpickle the wheel's own file, which pip has verified, and write plain arrays."""
    data = np.load(source, allow_pickle=True).item()
    trials = [np.asarray(trial, np.float32) for trial in data["X"]]
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part.npz")
    np.savez_compressed(
        draft,
        readings=np.concatenate(trials),
        lengths=np.array([len(trial) for trial in trials], np.int64),
        labels=np.array([data["y_labels"][int(y)] for y in data["y"]]),
        subjects=np.asarray(data["subject"], np.int64),
    )
    draft.replace(target)
