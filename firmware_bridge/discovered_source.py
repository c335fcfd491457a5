"""A sensor whose profile nobody named: it is found out first, then read like any other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from firmware_bridge.backoff import Backoff
from firmware_bridge.errors import SourceError
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import Source, SourceCounters

_logger = logging.getLogger(__name__)

Identify = Callable[[], Awaitable[tuple[str, ...]]]
OpenAs = Callable[[str, SourceCounters], Source]


class DiscoveredSource:
    """Asks what the sensor is until that is known, and hands on what it yields from then on.

    Args:
        sensor: configured name of the sensor.
        identify: names of the profiles that it may have; raises OSError while it is away.
        open_as: the source for a profile, which counts in the counters that it is given.
        backoff: waits between two attempts.
    """

    def __init__(self, sensor: str, identify: Identify, open_as: OpenAs, backoff: Backoff) -> None:
        self._sensor = sensor
        self._identify = identify
        self._open_as = open_as
        self._backoff = backoff
        self._counters = SourceCounters()
        self._last_reason = ""

    @property
    def sensor(self) -> str:
        """Configured name of the sensor."""
        return self._sensor

    @property
    def counters(self) -> SourceCounters:
        """Live counters of this source."""
        return self._counters

    async def events(self) -> AsyncIterator[Sample | Mark]:
        """Yield what the sensor sends, once it is known. Close the iterator too.

        Raises:
            SourceError: several profiles fit, or the source cannot be opened at all.
        """
        name = await self._name()
        _logger.info("sensor %s: found to be %s", self._sensor, name)
        async with aclosing(_generator(self._open_as(name, self._counters))) as events:
            async for event in events:
                yield event

    async def _name(self) -> str:
        while True:
            try:
                names = await self._identify()
            except OSError as error:
                self._say_once(f"not there, trying again: {error}")
            else:
                if len(names) == 1:
                    return names[0]
                if names:
                    raise SourceError(
                        self._sensor, f"could be {' or '.join(names)}; name its profile"
                    )
                self._say_once("sends nothing that a profile fits, trying again")
            await asyncio.sleep(self._backoff.next_s())

    def _say_once(self, reason: str) -> None:
        if reason != self._last_reason:
            _logger.warning("sensor %s: %s", self._sensor, reason)
        self._last_reason = reason


async def _generator(source: Source) -> AsyncGenerator[Sample | Mark, None]:
    events = source.events()
    try:
        async for event in events:
            yield event
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
