"""A replay as a serial sensor: a pty at a stable path that goes and comes back with the line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path

from firmware_bridge.errors import SourceError
from firmware_bridge.recording_frames import TimedFrame
from firmware_bridge.replay_items import LineOutage, ReplayItem
from firmware_bridge.replay_pty import PtyReplay

# An outage of no length is still one that a reader can see.
_SHORTEST_OUTAGE_S = 0.05


async def serve(items: Iterable[ReplayItem], link: Path, speed: float) -> None:
    """Send all of it; ends when its last reader has left.

    Args:
        items: what arrives, as of ``RecordedSource.items``.
        link: where the port is; it is not there during an outage.
        speed: 1 is real time, ``math.inf`` as fast as it is read.

    Raises:
        SourceError: there is no pty, or something else is at that path.
    """
    line = _Line(iter(items))
    while not line.ended:
        frames = line.until_outage()
        try:
            pty = PtyReplay(frames, speed=speed, link=link)
        except OSError as error:
            raise SourceError(str(link), error.strerror or str(error)) from error
        with pty:
            await pty.run()
            if line.ended:
                # Pulling the plug now would lose what the reader has not read yet.
                await pty.reader_left()
        await asyncio.sleep(max(_SHORTEST_OUTAGE_S, line.outage_ns / 1e9 / speed))


class _Line:
    """Cuts a replay at its outages; each piece begins at its own zero."""

    def __init__(self, items: Iterator[ReplayItem]) -> None:
        self._items = items
        self._origin_ns = 0
        self.ended = False
        self.outage_ns = 0

    def until_outage(self) -> Iterator[TimedFrame]:
        for item in self._items:
            if isinstance(item, LineOutage):
                self.outage_ns = item.lasts_ns
                self._origin_ns = item.due_ns + item.lasts_ns
                return
            yield max(0, item.due_ns - self._origin_ns), item.data
        self.ended = True
        self.outage_ns = 0
