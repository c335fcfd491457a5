"""What a simulated sensor sends and when: by a model, or as it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from firmware_bridge.gatt import perfuse_frame
from firmware_bridge.recording import RecordedSession
from firmware_bridge.recording_frames import TimedFrame, segments_to_frames
from firmware_bridge.simulate.physiology import model, model_values
from firmware_bridge.simulate.recorded import frames_interval_s, recorded_values
from firmware_bridge.simulate.wrist import wrist_frames


def modelled_frames(
    profile_name: str, rng: np.random.Generator, start_ns: int
) -> Iterator[TimedFrame]:
    """Endless frames of a profile.

    Args:
        profile_name: one with a model, or that of our own frame.
        rng: of the model.
        start_ns: Unix time of the first reading, where frames bear one.

    Raises:
        LookupError: there is no model.
    """
    if profile_name == perfuse_frame.NAME:
        return wrist_frames(rng, start_ns)
    return _evenly(model_values(profile_name, rng), model(profile_name).interval_s)


def recorded_frames(profile_name: str, session: RecordedSession) -> Iterator[TimedFrame]:
    """The frames of a session; our own keep its times and labels, others its order alone.

    Raises:
        LookupError: the profile cannot be made of a recording, or a channel is missing.
        ValueError: a reading that the wire cannot carry.
    """
    if profile_name == perfuse_frame.NAME:
        return segments_to_frames(session)
    interval_s = session.interval_ns / 1e9
    values = recorded_values(profile_name, session)
    return _evenly(values, frames_interval_s(profile_name, interval_s))


def _evenly(values: Iterable[bytes], interval_s: float) -> Iterator[TimedFrame]:
    return ((round(1e9 * index * interval_s), value) for index, value in enumerate(values))
