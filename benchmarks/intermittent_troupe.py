"""Processes that a supervisor keeps alive, and the seeded schedule by which they are killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

RESTART_DELAY_S = 2.0
_STOP_LIMIT_S = 5.0


@dataclass(frozen=True)
class Kill:
    """SIGKILL for ``who``, ``delay_s`` real seconds after so many rounds have ended."""

    rounds: int
    delay_s: float
    who: str


def kills(seed: int, clients: int, count: int) -> tuple[Kill, ...]:
    """Return the same kills for the same seed: the server in the next round, then a client, ..."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        client = f"client-{int(rng.integers(clients))}"
        delay_s = round(float(rng.uniform(0.1, 0.8)), 2)
        found.append(Kill(number + 1, delay_s, client if number % 2 else "server"))
    return tuple(found)


@dataclass
class Troupe:
    """Named processes, each in a process group of its own; what ends is started again.

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

    def keep(self, name: str, *argv: str) -> None:
        """Run it from now on."""
        self.restarts[name] = 0
        self._keepers.append(asyncio.create_task(self._keep(name, argv), name=name))

    def kill(self, name: str) -> None:
        """Take it away with SIGKILL, with all processes that it has started."""
        process = self._running.get(name)
        if process is not None and process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """End all."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for process in self._running.values():
            if process.returncode is None:
                process.terminate()
        waits = [asyncio.create_task(p.wait()) for p in self._running.values()]
        if waits:
            await asyncio.wait(waits, timeout=_STOP_LIMIT_S)
        for process in self._running.values():
            # Their children, too, which a process may have left behind.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
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
                    env=os.environ | self.environment,
                )
            self._running[name] = process
            if self.restarts[name]:
                self.restarted(name)
            await process.wait()
            self.restarts[name] += 1
            await asyncio.sleep(RESTART_DELAY_S)
