"""Flower's side of `benchmarks/intermittent.py`: SuperLink, SuperNodes, and a supervisor's care."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.intermittent_run import Outcome, RoundRow, Setup, follow
from benchmarks.intermittent_troupe import Troupe
from broker.deploy.processes import free_port
from perfuse.link.proxy import LinkProxy, Route, opened

VERSION = "1.41.0"
_ROOT = Path(__file__).resolve().parents[1]
_HOST = "127.0.0.1"
# Flower's command line costs a second of a core: it is not asked for nothing.
_LOOK_S = 60.0
_RETRY_S = 1.0


def make_environment(directory: Path) -> None:
    """Make a virtual environment with Flower and this project, unless it is there."""
    if (directory / "bin" / "flower-superlink").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    pip = [str(directory / "bin" / "pip"), "install", "--quiet"]
    subprocess.run([*pip, f"flwr=={VERSION}", str(_ROOT)], check=True)


class FlowerSide:
    """One run under Flower. What is chosen, is chosen in its favour: see docs/intermittent.md."""

    def __init__(self, setup: Setup, venv: Path) -> None:
        self._setup = setup
        self._bin = venv.absolute() / "bin"
        self._home = setup.directory / "home"
        self._home.mkdir(parents=True)
        self._port = free_port(_HOST)
        (self._home / "config.toml").write_text(
            '[superlink]\ndefault = "bench"\n\n[superlink.bench]\n'
            f'address = "{_HOST}:{self._port}"\ninsecure = true\n'
        )
        environment = {
            "FLWR_HOME": str(self._home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "PYTHONPATH": str(_ROOT),
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._server_is_new = asyncio.Event()
        self._troupe = Troupe(setup.directory, environment, self._restarted)
        self._environment = environment
        self._submitted = 0

    async def run(self) -> Outcome:
        """Run to the target or the limit."""
        setup, outcome = self._setup, Outcome()
        setup.task.write(setup.directory / "task.json")
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._troupe.close)
            self._troupe.keep("server", *self._superlink())
            await self._listening()
            links = []
            for number in range(setup.task.clients):
                route = Route(_HOST, self._port)
                proxy = LinkProxy(setup.profile, setup.task.seed + number, route, speed=setup.speed)
                links.append(await stack.enter_async_context(opened(proxy)))
                self._troupe.keep(f"client-{number}", *self._supernode(number, proxy.port))
            submitting = asyncio.create_task(self._submit_for_ever())
            try:
                await follow(setup, outcome, links, self._rows, self._kill)
            finally:
                submitting.cancel()
                await asyncio.gather(submitting, return_exceptions=True)
        outcome.asked = sum(row["asked"] for row in self._said("asked.jsonl"))
        outcome.notes.append(f"{self._submitted} runs submitted")
        return outcome

    def _superlink(self) -> list[str]:
        return [
            str(self._bin / "flower-superlink"),
            *("--insecure", "--host", _HOST, "--port", str(self._port)),
            *("--database", str(self._setup.directory / "state.db")),
            "--disable-runtime-dependency-installation",
        ]

    def _supernode(self, number: int, port: int) -> list[str]:
        return [
            str(self._bin / "flower-supernode"),
            *("--insecure", "--superlink", f"{_HOST}:{port}"),
            *("--port", str(free_port(_HOST))),
            *("--node-config", f"partition-id={number}"),
        ]

    def _restarted(self, name: str) -> None:
        if name == "server":
            self._server_is_new.set()

    async def _kill(self, who: str) -> None:
        self._troupe.kill(who)

    async def _listening(self) -> None:
        while True:
            try:
                socket.create_connection((_HOST, self._port), 1).close()
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return

    async def _submit_for_ever(self) -> None:
        """Submit the run, again when the server was started again, and when none goes on."""
        while True:
            while not await self._flwr("run", *self._run_arguments()):
                await asyncio.sleep(_RETRY_S)
            self._submitted += 1
            while not self._server_is_new.is_set() and not await self._none_goes_on():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._server_is_new.wait(), _LOOK_S)
            # Its ServerApp was killed with it: nothing goes on, whatever the database says.
            self._server_is_new.clear()
            await self._listening()

    def _run_arguments(self) -> list[str]:
        setup = self._setup
        config = {
            "task": str(setup.directory / "task.json"),
            "state": str(setup.directory),
            "rounds": setup.rounds,
            "min-nodes": setup.min_gateways,
            "deadline-s": setup.deadline_s,
        }
        pairs = " ".join(f"{key}={json.dumps(value)}" for key, value in config.items())
        return [str(_ROOT / "benchmarks" / "flower_app"), "bench", "--run-config", pairs]

    async def _none_goes_on(self) -> bool:
        await self._listening()
        answer = await self._flwr("ls", "bench", "--format", "json")
        if not answer:
            return False
        runs = json.loads(answer).get("runs", [])
        return not any(run["status"].split(":")[0] != "finished" for run in runs)

    async def _flwr(self, *arguments: str) -> str:
        """Return what a command of Flower's said, or nothing when it failed."""
        process = await asyncio.create_subprocess_exec(
            str(self._bin / "flwr"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment | {"HOME": str(self._home)},
        )
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:  # cancelled: the run is over
                process.kill()
                await process.wait()
        with (self._setup.directory / "flwr.log").open("ab") as log:
            log.write(b"$ flwr " + " ".join(arguments).encode() + b"\n" + out)
        return out.decode() if process.returncode == 0 else ""

    def _rows(self) -> list[RoundRow]:
        return [
            RoundRow(row["round"], row["asked"], row["folded"], row["macro_f1"])
            for row in self._said("progress.jsonl")
        ]

    def _said(self, name: str) -> list[dict[str, Any]]:
        """Return what the ServerApp has written line by line."""
        path = self._setup.directory / name
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
