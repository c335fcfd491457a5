"""Listens on a serial line with one setting after the other until its bytes fit a profile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from firmware_bridge.serial_discovery import LineEvidence, LineTrial
from firmware_bridge.serial_feed import LineEvent, SerialFeed
from firmware_bridge.serial_hub import SerialHub
from firmware_bridge.serial_line import LineSettings, ListPorts, open_port, system_ports
from firmware_bridge.serial_talk import SerialTalk

# Three packets of the slowest sensor (Nonin, three a second) and what a board needs to restart.
LISTEN_S = 2.5
_BUFFER_BYTES = 1 << 16


async def identify_line(
    address: str,
    trials: Iterable[LineTrial],
    *,
    sensor: str = "",
    listen_s: float = LISTEN_S,
    hub: SerialHub | None = None,
    ports: ListPorts = system_ports,
) -> tuple[str, ...]:
    """Names of the profiles that fit what the line says; empty where none does.

    Takes at most ``listen_s`` a trial. A trial's start command is sent to whatever is there.

    Raises:
        OSError: the port cannot be opened now, or was lost.
        SourceError: it can never be opened.
    """
    hub = hub if hub is not None else SerialHub()
    for trial in trials:
        settings = LineSettings(trial.baudrate, trial.parity, trial.stop_bits)
        port = await open_port(sensor or address, address, settings, ports)
        try:
            found = await _listen(port.fileno(), trial, listen_s, hub)
        finally:
            await asyncio.to_thread(port.close)
        if found:
            return found
    return ()


async def _listen(
    descriptor: int, trial: LineTrial, listen_s: float, hub: SerialHub
) -> tuple[str, ...]:
    feed = SerialFeed(_BUFFER_BYTES)
    reasons: list[str] = []

    def lost(reason: str) -> None:
        reasons.append(reason)
        feed.finish()

    hub.register(descriptor, feed, lost)
    talking = asyncio.create_task(
        SerialTalk(trial.commands).run(descriptor, lambda: True), name="serial probe talk"
    )
    try:
        async with asyncio.timeout(listen_s):
            found = await _first_fit(LineEvidence(trial), feed)
    except TimeoutError:
        return ()
    finally:
        talking.cancel()
        await asyncio.wait({talking})
        hub.unregister(descriptor)
    if reasons and not found:
        raise OSError(reasons[0])
    return found


async def _first_fit(evidence: LineEvidence, feed: SerialFeed) -> tuple[str, ...]:
    while items := await feed.take():
        for item in items:
            if not isinstance(item, LineEvent):
                evidence.receive(item[1])
        if found := evidence.fitting():
            return found
    return ()
