"""A sensor on a serial port. The only module that imports pyserial."""

from __future__ import annotations

import asyncio
import os
import stat
import termios
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import numpy as np
import serial

from firmware_bridge.backoff import Backoff
from firmware_bridge.errors import SourceError
from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.serial_handoff import Handoff, LineEvent
from firmware_bridge.serial_reader import SerialReader
from firmware_bridge.source import SourceCounters

# A minute and a half at 115200 baud: an event loop that is behind by more has other troubles.
_BUFFER_BYTES = 1 << 20


class StreamDecoder(Protocol):
    """What turns the bytes of a line into events, such as FrameStream."""

    counters: SourceCounters

    def receive(self, data: bytes) -> Sequence[Sample | Mark]:
        """What these bytes complete."""

    def line_reopened(self) -> None:
        """The line was lost and is open again."""


class SerialSource:
    """Reads a port for months: it may be absent, come, go, and come back under the same path.

    What is wrong with a port that may yet appear or be permitted is logged once an outage and
    tried again. The generator of the jitter is the operating system's unless ``backoff`` is given.

    Args:
        sensor: configured name of the sensor.
        port: path of the port, best a stable one under /dev/serial/by-id/.
        baudrate: any that the driver takes.
        parity: ``"N"``, ``"E"`` or ``"O"``.
        stopbits: 1 or 2.
        decoder: of the sensor's profile; a FrameStream unless given.
        backoff: waits between two attempts to open.
    """

    def __init__(
        self,
        sensor: str,
        port: str | os.PathLike[str],
        baudrate: int = 115200,
        *,
        parity: str = serial.PARITY_NONE,
        stopbits: float = serial.STOPBITS_ONE,
        decoder: StreamDecoder | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._sensor = sensor
        self._port = os.fspath(port)
        self._baudrate = baudrate
        self._parity = parity
        self._stopbits = stopbits
        self._decoder = decoder if decoder is not None else FrameStream(sensor)
        self._backoff = backoff if backoff is not None else Backoff(np.random.default_rng())
        self._handoff: Handoff | None = None
        self._closed = False

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
        if self._handoff is not None:
            raise RuntimeError(f"the events of sensor {self._sensor!r} are being read already")
        if self._closed:
            return
        self._handoff = Handoff(asyncio.get_running_loop(), _BUFFER_BYTES)
        reader = SerialReader(self._sensor, self._open, self._handoff, self._backoff)
        try:
            while items := await self._handoff.take():
                for item in items:
                    for event in self._decode(item):
                        yield event
        finally:
            reader.stop()
            self._handoff = None

    def close(self) -> None:
        """End the events after those already read; from the loop's thread."""
        self._closed = True
        if self._handoff is not None:
            self._handoff.finish()

    def _decode(self, item: bytes | LineEvent) -> Sequence[Sample | Mark]:
        if isinstance(item, bytes):
            return self._decoder.receive(item)
        self.counters.reopened += 1
        self._decoder.line_reopened()
        return ()

    def _open(self) -> serial.Serial:
        if not stat.S_ISCHR(os.stat(self._port).st_mode):  # noqa: PTH116  # a port is no Path
            raise SourceError(self._sensor, f"{self._port} is not a character device")
        try:
            # Exclusive, because two readers would each get half of the bytes.
            return serial.Serial(
                self._port,
                self._baudrate,
                parity=self._parity,
                stopbits=self._stopbits,
                timeout=0,
                exclusive=True,
            )
        except (ValueError, OverflowError) as error:
            raise SourceError(self._sensor, f"{self._port}: {error}") from error
        except termios.error as error:  # it went away while it was being configured
            raise OSError(*error.args) from error
