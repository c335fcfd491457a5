"""A thread that keeps a serial port open and reads what comes.

A thread, because a driver may block and because the loop may: while it waits for an SD card to
sync, the thread empties the kernel's few kilobytes.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from typing import Protocol

from firmware_bridge.backoff import Backoff
from firmware_bridge.serial_handoff import Handoff, LineEvent

_logger = logging.getLogger(__name__)

# What the kernel's line discipline holds at most.
_READ_BYTES = 4096


class OpenPort(Protocol):
    """An open, configured port whose file descriptor can be polled and read."""

    def fileno(self) -> int:
        """The descriptor, in non-blocking mode."""

    def close(self) -> None:
        """Close it."""


class SerialReader:
    """Opens a port, reads it, and opens it again for as long as it takes.

    Args:
        sensor: for the log and the thread's name.
        open_port: opens and configures; an OSError is tried again, anything else ends the reader.
        handoff: where the bytes go, and LineEvent.REOPENED before those of a port opened again.
        backoff: waits between attempts; short again once bytes came.
    """

    def __init__(
        self, sensor: str, open_port: Callable[[], OpenPort], handoff: Handoff, backoff: Backoff
    ) -> None:
        self._sensor = sensor
        self._open_port = open_port
        self._handoff = handoff
        self._backoff = backoff
        self._opened_before = False
        self._last_reason = ""
        self._wake_r, self._wake_w = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"serial-{sensor}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the port; returns when both are done."""
        self._handoff.finish()
        os.close(self._wake_w)
        self._thread.join()
        os.close(self._wake_r)

    def _run(self) -> None:
        try:
            while not self._handoff.finished:
                port = self._try_to_open()
                if port is not None:
                    try:
                        self._read_until_lost(port)
                    finally:
                        port.close()
                self._wait_or_stop(self._backoff.next_s())
        except Exception as error:  # noqa: BLE001  # whoever awaits the events must get it
            self._handoff.finish(error)

    def _try_to_open(self) -> OpenPort | None:
        try:
            port = self._open_port()
        except OSError as error:
            self._say_once(f"not available, trying again: {error}")
            return None
        _logger.info("sensor %s: port open", self._sensor)
        if self._opened_before:
            self._handoff.put(LineEvent.REOPENED)
        self._opened_before = True
        return port

    def _read_until_lost(self, port: OpenPort) -> None:
        poll = select.poll()
        poll.register(port.fileno(), select.POLLIN)
        poll.register(self._wake_r, select.POLLIN)
        while True:
            if any(fd == self._wake_r for fd, _ in poll.poll()):
                return
            try:
                chunk = os.read(port.fileno(), _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                self._say_once(f"lost, opening again: {error}")
                return
            if not chunk:
                self._say_once("lost, opening again: end of file")
                return
            self._backoff.reset()
            self._last_reason = ""
            if not self._handoff.put(chunk):
                return

    def _say_once(self, reason: str) -> None:
        # A sensor in a drawer must not fill the journal: the same words once an outage.
        if reason != self._last_reason:
            _logger.warning("sensor %s: port %s", self._sensor, reason)
        self._last_reason = reason

    def _wait_or_stop(self, delay_s: float) -> None:
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        poll.poll(delay_s * 1000)
