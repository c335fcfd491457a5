"""A small federation of real processes, each of which can be stopped in any phase and harmed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from broker.deploy.embedded import EmbeddedBroker
from edge_agent.examples import ExampleStore
from edge_agent.windows import Window
from models.artifact import Artifact, load_artifact
from perfuse.chaos.disk import Disk
from perfuse.chaos.victim import CLOCK_VARIABLE
from perfuse.demo.stage import to_toml
from perfuse.link.profiles import LinkProfile
from perfuse.link.proxy import LinkProxy, Route

AGGREGATOR = "aggregator"
GATEWAYS = ("g1", "g2")
POPULATION = "ward"
MODEL = "shoulder-cnn1d"
_EXAMPLES = 40
_CHUNK_BYTES = 8192

# As fast as loopback is: only what is ordered happens to it.
_PERFECT = LinkProfile(
    "perfect", 1e10, 1e10, 0.0, 0.0, 0.0, 0.0, None, 0.0, "no limits", "none: it is no real link"
)

Tripped = Callable[[str, str], Awaitable[None]]


@dataclass(slots=True)
class Victim:
    """One service's process, started again when it is killed.

    Attributes:
        clock_s: how far its next lives' clock is ahead.
    """

    name: str
    arguments: list[str]
    directory: Path
    socket: Path
    disk: Disk
    clock_s: int = 0
    process: asyncio.subprocess.Process | None = None
    keeper: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        """Run it, again and again."""
        while True:
            with (self.directory / f"{self.name}.log").open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "perfuse.chaos.victim", str(self.socket), self.name, *self.arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env=self._environment(),
                )
            await self.process.wait()

    def kill(self) -> None:
        """End it with SIGKILL, now."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended this very moment
                self.process.send_signal(signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        return environment | {CLOCK_VARIABLE: str(self.clock_s)}


@dataclass(slots=True)
class Stage:
    """An aggregator, two gateways behind a proxy each, and a broker.

    Attributes:
        directory: where everything is.
        tripped: awaited with a process's name and what it says; then that process goes on.
    """

    directory: Path
    tripped: Tripped
    broker_kind: str = ""
    victims: dict[str, Victim] = field(default_factory=dict)
    links: dict[str, LinkProxy] = field(default_factory=dict)
    broker: EmbeddedBroker = field(init=False)
    _artifact: Artifact = field(init=False)
    _server: asyncio.Server | None = None

    def __post_init__(self) -> None:
        self._artifact = load_artifact(MODEL)
        self.broker = EmbeddedBroker(self.directory / "broker", self.broker_kind)

    @property
    def artifact(self) -> bytes:
        """SHA-256 of what is trained."""
        return bytes.fromhex(self._artifact.spec.digest)

    def state(self, name: str) -> Path:
        """Where a party keeps its state."""
        return self.victims[name].disk.path

    async def open(self) -> None:
        """Start everything."""
        self.broker.start()
        socket = self.directory / "stage.socket"
        self._server = await asyncio.start_unix_server(self._listen, str(socket))
        self._add(AGGREGATOR, socket, self._aggregator_settings)
        for number, name in enumerate(GATEWAYS):
            proxy = LinkProxy(_PERFECT, number, Route("127.0.0.1", self.broker.port))
            await proxy.open()
            self.links[name] = proxy
            self._add(name, socket, self._agent_settings)
            self._fill(name, number)
        for victim in self.victims.values():
            victim.keeper = asyncio.create_task(victim.keep(), name=victim.name)

    async def close(self) -> None:
        """End everything."""
        for victim in self.victims.values():
            if victim.keeper is not None:
                victim.keeper.cancel()
            victim.kill()
            with contextlib.suppress(asyncio.CancelledError):
                await (victim.keeper or asyncio.sleep(0))
            victim.disk.close()
        for proxy in self.links.values():
            await proxy.close()
        if self._server is not None:
            self._server.close()
        self.broker.stop()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled when the stage closes; asyncio would say so aloud.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            async for line in reader:
                name, what = line.decode().strip().split(" ", 1)
                await self.tripped(name, what)
                writer.write(b"\n")
        writer.close()

    def _add(self, name: str, socket: Path, settings: Callable[[str, Path], Any]) -> None:
        disk = Disk(self.directory / name)
        command = AGGREGATOR if name == AGGREGATOR else "agent"
        config = self.directory / f"{name}.toml"
        config.write_text(to_toml(settings(name, disk.path)))
        self.victims[name] = Victim(
            name, [command, "--config", str(config)], self.directory, socket, disk
        )

    def _aggregator_settings(self, name: str, state: Path) -> dict[str, object]:
        del name
        return {
            "population": POPULATION,
            "model": MODEL,
            "state_dir": str(state),
            "chunk_bytes": _CHUNK_BYTES,
            "broker": {"url": self.broker.url, "keepalive_s": 5},
            "rounds": {
                "min_gateways": len(GATEWAYS),
                "min_reports": len(GATEWAYS),
                "min_examples": 20,
                "deadline_s": 120,
            },
            "training": {"codec": "none", "learning_rate": 0.01, "schedule": "constant"},
        }

    def _agent_settings(self, name: str, state: Path) -> dict[str, object]:
        url = self.broker.url.replace(f":{self.broker.port}", f":{self.links[name].port}")
        return {
            "population": POPULATION,
            "gateway": name,
            "model": MODEL,
            "state_dir": str(state),
            "chunk_bytes": _CHUNK_BYTES,
            "broker": {"url": url, "keepalive_s": 5},
        }

    def _fill(self, name: str, seed: int) -> None:
        """Give a gateway examples, as if it had read them."""
        spec = self._artifact.spec
        generator = np.random.default_rng(seed)
        path = self.state(name) / "examples.sqlite"
        with closing(ExampleStore(path, spec.input_shape, 1000)) as store:
            for number in range(_EXAMPLES):
                values = generator.normal(size=spec.input_shape).astype(np.float32)
                label = spec.classes[number % len(spec.classes)]
                store.add(Window("watch", number, number + 1, values, 0.0), label)
