import asyncio
import logging
import os

import numpy as np
import pytest

from firmware_bridge.backoff import Backoff
from firmware_bridge.serial_handoff import Handoff, LineEvent
from firmware_bridge.serial_reader import SerialReader


class PipePort:
    """A port whose line is a pipe: it ends when the writer closes."""

    def __init__(self, data):
        self._reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)

    def fileno(self):
        return self._reader

    def close(self):
        os.close(self._reader)


def read(outcomes):
    """What a reader hands on, whose attempts to open end as told, the last without an error."""
    remaining = list(outcomes)

    def open_port():
        outcome = remaining.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return PipePort(outcome)

    async def scenario():
        handoff = Handoff(asyncio.get_running_loop(), limit_bytes=100)
        backoff = Backoff(np.random.default_rng(1), floor_s=0.001, cap_s=0.002)
        reader = SerialReader("watch", open_port, handoff, backoff)
        items = []
        try:
            async with asyncio.timeout(30):
                while more := await handoff.take():
                    items += more
        except EndOfTestError:
            return items
        finally:
            reader.stop()

    return asyncio.run(scenario())


class EndOfTestError(Exception):
    """Not an OSError: ends the reader and comes out of the handoff."""


def test_a_port_that_comes_back_is_said_before_its_bytes():
    assert read([b"one", OSError("gone"), b"two", EndOfTestError()]) == [
        b"one",
        LineEvent.REOPENED,
        b"two",
    ]


def test_a_denied_port_is_tried_again_and_said_once(caplog):
    denied = PermissionError(13, "Permission denied", "/dev/ttyACM0")
    with caplog.at_level(logging.WARNING):
        assert read([denied, denied, denied, b"one", EndOfTestError()]) == [b"one"]
    assert [record.message for record in caplog.records] == [
        "sensor watch: port not available, trying again: "
        "[Errno 13] Permission denied: '/dev/ttyACM0'",
        "sensor watch: port lost, opening again: end of file",
    ]


def test_another_outage_is_said_again(caplog):
    with caplog.at_level(logging.WARNING):
        read([OSError("no"), b"one", OSError("no"), b"two", EndOfTestError()])
    assert caplog.text.count("trying again: no") == 2


def test_what_no_retry_can_mend_reaches_the_consumer():
    async def scenario():
        def open_port():
            raise LookupError("never")

        handoff = Handoff(asyncio.get_running_loop(), limit_bytes=100)
        reader = SerialReader("watch", open_port, handoff, Backoff(np.random.default_rng(1)))
        with pytest.raises(LookupError, match="never"):
            await handoff.take()
        reader.stop()

    asyncio.run(scenario())
