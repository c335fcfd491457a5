"""Windows of a recorded session, through the same decoder and windower as a gateway's."""

from __future__ import annotations

import asyncio
import math

import numpy as np
from numpy.typing import NDArray

from edge_agent.pipeline import Pipeline
from edge_agent.settings import WindowSettings
from edge_agent.windows import Window
from firmware_bridge.recording import RecordedSession
from firmware_bridge.replay import ReplaySource
from models.spec import ModelSpec


def labelled_windows(
    sessions: list[RecordedSession], spec: ModelSpec
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return x float32[n, T, C] in the sensor's units and y int32[n] of the labelled windows."""
    x: list[NDArray[np.float32]] = []
    y: list[int] = []

    def keep(window: Window, label: str | None, truth: NDArray[np.float32] | None) -> None:
        del truth  # of a forecast
        if label in spec.classes:
            x.append(window.values)
            y.append(spec.classes.index(label))

    async def read(session: RecordedSession) -> None:
        pipeline = Pipeline(spec, WindowSettings(), keep, lambda window, held: None)
        async for event in ReplaySource("heldout", session, math.inf).events():
            pipeline.take(event)

    async def read_all() -> None:
        for session in sessions:
            await read(session)

    asyncio.run(read_all())
    return np.stack(x), np.array(y, np.int32)
