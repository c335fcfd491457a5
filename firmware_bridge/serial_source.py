"""A sensor on a serial port."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import numpy as np

from firmware_bridge.backoff import Backoff
from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.profile import SerialLink
from firmware_bridge.raw_tap import NoTap, RawTap
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.serial_feed import Item, LineEvent, SerialFeed
from firmware_bridge.serial_hub import SerialHub
from firmware_bridge.serial_line import LineSettings, ListPorts, open_port, system_ports
from firmware_bridge.serial_talk import SerialTalk
from firmware_bridge.source import SourceCounters
from firmware_bridge.stream_decoder import StreamDecoder

_logger = logging.getLogger(__name__)

# A minute and a half at 115200 baud: an event loop that is behind by more has other troubles.
_BUFFER_BYTES = 1 << 20


class Port(Protocol):
    """An open port whose descriptor does not block."""

    def fileno(self) -> int:
        """The descriptor."""

    def close(self) -> None:
        """Close it."""


class SerialSource:
    """Reads a port for months: it may be absent, come, go, and come back, USB ones anywhere.

    What is wrong with a port that may yet appear or be permitted is logged once an outage and
    tried again. The generator of the jitter is the operating system's unless ``backoff`` is given.

    Args:
        sensor: configured name of the sensor.
        port: path of the port, best a stable one under /dev/serial/by-id/, or a USB adapter's
            ``VID:PID[:SERIAL]``.
        line: how it is set up.
        decoder: of the sensor's profile; a FrameStream unless given.
        commands: whose start, keep-alive and stop commands the sensor gets; none unless given.
        hub: reads the ports; shared by the sensors of a gateway.
        backoff: waits between two attempts to open.
        ports: lists the USB adapters.
        tap: is told the bytes too.
    """

    def __init__(
        self,
        sensor: str,
        port: str | os.PathLike[str],
        line: LineSettings | None = None,
        *,
        decoder: StreamDecoder | None = None,
        commands: SerialLink | None = None,
        hub: SerialHub | None = None,
        backoff: Backoff | None = None,
        ports: ListPorts = system_ports,
        tap: RawTap | None = None,
    ) -> None:
        self._sensor = sensor
        self._address = os.fspath(port)
        self._line = line if line is not None else LineSettings()
        self._decoder: StreamDecoder = decoder if decoder is not None else FrameStream(sensor)
        self._talk = SerialTalk(commands)
        self._heard = False
        self._hub = hub if hub is not None else SerialHub()
        self._backoff = backoff if backoff is not None else Backoff(np.random.default_rng())
        self._ports = ports
        self._tap: RawTap = tap if tap is not None else NoTap()
        self._feed: SerialFeed | None = None
        self._descriptor = -1
        self._closed = False
        self._last_reason = ""

    @property
    def sensor(self) -> str:
        """Configured name of the sensor."""
        return self._sensor

    @property
    def counters(self) -> SourceCounters:
        """Live counters of this source."""
        return self._decoder.counters

    async def events(self) -> AsyncIterator[Sample | Mark]:
        """Yield samples and marks as they come; ends after ``close``. Close the iterator too.

        Raises:
            SourceError: the port can never be opened: not a character device, impossible settings.
            RuntimeError: the events are being read already.
        """
        if self._feed is not None:
            raise RuntimeError(f"the events of sensor {self._sensor!r} are being read already")
        if self._closed:
            return
        self._feed = feed = SerialFeed(_BUFFER_BYTES)
        keeper = asyncio.create_task(self._keep_open(feed), name=f"serial {self._sensor}")
        # A keeper ends by itself only by what no retry can mend, which whoever reads must get.
        keeper.add_done_callback(lambda _: feed.finish())
        try:
            while items := await feed.take():
                self._hub.resume(self._descriptor)
                for item in items:
                    for event in self._decode(item):
                        yield event
            if keeper.done():
                keeper.result()
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            self._feed = None

    def close(self) -> None:
        """End the events after those already read; from the loop's thread."""
        self._closed = True
        if self._feed is not None:
            self._feed.finish()

    def _decode(self, item: Item) -> Sequence[Sample | Mark]:
        if isinstance(item, LineEvent):
            self.counters.reopened += 1
            self._decoder.line_reopened()
            self._tap.reopened()
            return ()
        received_ns, data = item
        self._heard = True
        self._backoff.reset()
        self._last_reason = ""
        self._tap.received(received_ns, data)
        return self._decoder.receive(data, received_ns)

    async def _keep_open(self, feed: SerialFeed) -> None:
        """Open the port, and open it again whenever it is lost, until cancelled."""
        opened_before = False
        while True:
            try:
                port = await open_port(self._sensor, self._address, self._line, self._ports)
            except OSError as error:
                self._say_once(f"not available, trying again: {error}")
            else:
                _logger.info("sensor %s: port open", self._sensor)
                if opened_before:
                    feed.put(LineEvent.REOPENED)
                    feed.wake()
                opened_before = True
                self._say_once(f"lost, opening again: {await self._read(port, feed)}")
            await asyncio.sleep(self._backoff.next_s())

    async def _read(self, port: Port, feed: SerialFeed) -> str:
        """Have an open port read until it is lost; returns why."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._descriptor = port.fileno()
        self._hub.register(
            self._descriptor, feed, lambda reason: None if lost.done() else lost.set_result(reason)
        )
        talking = asyncio.create_task(
            self._talk.run(self._descriptor, self._take_heard), name=f"serial {self._sensor} talk"
        )
        try:
            return await lost
        finally:
            talking.cancel()
            await asyncio.wait({talking})
            self._hub.unregister(self._descriptor)
            self._descriptor = -1
            lost.cancel()
            await asyncio.to_thread(port.close)

    def _take_heard(self) -> bool:
        heard, self._heard = self._heard, False
        return heard

    def _say_once(self, reason: str) -> None:
        # A sensor in a drawer must not fill the journal: the same words once an outage.
        if reason != self._last_reason:
            _logger.warning("sensor %s: port %s", self._sensor, reason)
        self._last_reason = reason
