"""A wrist that walks and rests by turns, as our own frames: readings, marks, repeated state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import TimedFrame, segments_to_frames
from firmware_bridge.sample import Channel

_RATE_HZ = 50
_INTERVAL_NS = 10**9 // _RATE_HZ
_TURN_S = 30
_STEPS_HZ = 1.8
_TURNS = 8
_CHANNELS = tuple(Channel(name, "[g]") for name in ("ax", "ay", "az")) + tuple(
    Channel(name, "rad/s") for name in ("wx", "wy", "wz")
)


def wrist_frames(rng: np.random.Generator, start_ns: int) -> Iterator[TimedFrame]:
    """Endless frames of six channels at 50 Hz; some minutes that begin again.

    Args:
        rng: of the noise.
        start_ns: the sensor's time at the first reading.
    """
    return segments_to_frames(_session(rng), start_ns=start_ns, gap_s=0.0, loops=None)


def _session(rng: np.random.Generator) -> RecordedSession:
    turn_ns = _TURN_S * 10**9
    segments = [
        Segment(("rest", "walk")[turn % 2], turn * turn_ns, _turn(rng, moving=bool(turn % 2)))
        for turn in range(_TURNS)
    ]
    return RecordedSession(_CHANNELS, _INTERVAL_NS, tuple(segments))


def _turn(rng: np.random.Generator, *, moving: bool) -> NDArray[np.float32]:
    """float32[n, 6] of one turn: gravity, the swing of the arm, noise."""
    seconds = np.arange(_TURN_S * _RATE_HZ) / _RATE_HZ
    swing = np.sin(np.pi * _STEPS_HZ * seconds) * moving
    step = np.sin(2 * np.pi * _STEPS_HZ * seconds) * moving
    still = np.zeros_like(seconds)
    columns = (0.3 * swing, 0.2 * step, 1.0 + 0.4 * step, still, 1.5 * swing, 0.5 * step)
    noise = rng.normal(0.0, 0.02, (len(seconds), len(columns)))
    readings: NDArray[np.float32] = (np.stack(columns, axis=1) + noise).astype(np.float32)
    return readings
