"""Processes that a supervisor keeps alive, and the seeded schedule by which they are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

RESTART_DELAY_S = 2.0
_STOP_LIMIT_S = 5.0
# In the environment of all that a named process starts, in whatever session, under whatever parent:
# Flower's ServerApps leave the process group, and are init's once who started them is gone.
_MARK = "PERFUSE_TROUPE"
_FIRST_KILL = 2
_LATEST = 0.35


@dataclass(frozen=True)
class Kill:
    """SIGKILL for ``who``.

    Attributes:
        rounds: after so many rounds have ended,
        phase: and this share of the run's shortest round so far has passed;
        latest: or this share of the run's time limit has, whichever is first.
    """

    rounds: int
    phase: float
    latest: float
    who: str


def kills(seed: int, clients: int, count: int) -> tuple[Kill, ...]:
    """Return the same kills for the same seed: the server in a round, a client in the next, ..."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        client = f"client-{int(rng.integers(clients))}"
        phase = round(float(rng.uniform(0.1, 0.8)), 2)
        latest = _LATEST + number * (1 - _LATEST) / count / 2
        found.append(Kill(number + _FIRST_KILL, phase, latest, client if number % 2 else "server"))
    return tuple(found)


@dataclass
class Troupe:
    """Named processes, each with all that it starts; what ends is started again.

    Args:
        directory: of the logs.
        environment: of all.
        restarted: called with a name after its process was started again.
    """

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    restarted: Callable[[str], None] = lambda name: None
    restarts: dict[str, int] = field(default_factory=dict)
    _running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)
    _token: str = field(default_factory=lambda: secrets.token_hex(8))

    def keep(self, name: str, *argv: str) -> None:
        """Run it from now on."""
        self.restarts[name] = 0
        self._keepers.append(asyncio.create_task(self._keep(name, argv), name=name))

    def kill(self, name: str) -> None:
        """Take it away with SIGKILL, with all processes that it has started."""
        _kill_marked(f"{_MARK}={self._token}.{name}")

    async def close(self) -> None:
        """End all, and all that they have left behind."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in self._running.values():
            if process.returncode is None:
                process.terminate()
        waits = [asyncio.create_task(p.wait()) for p in self._running.values()]
        try:
            if waits:
                await asyncio.wait(waits, timeout=_STOP_LIMIT_S)
        finally:
            for name in self.restarts:
                self.kill(name)
        if waits:
            await asyncio.wait(waits)

    async def _keep(self, name: str, argv: tuple[str, ...]) -> None:
        while True:
            with (self.directory / f"{name}.log").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env=os.environ | self.environment | {_MARK: f"{self._token}.{name}"},
                )
            self._running[name] = process
            if self.restarts[name]:
                self.restarted(name)
            await process.wait()
            self.restarts[name] += 1
            await asyncio.sleep(RESTART_DELAY_S)


def _kill_marked(mark: str) -> None:
    """Kill until none is found: one that is looked at may just be starting another."""
    while pids := _marked(mark.encode()):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _marked(mark: bytes) -> list[int]:
    """Return the living processes with ``mark`` in their environment."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        # A process without memory, a zombie's, has no environment left.
        with contextlib.suppress(OSError):
            if mark in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found
