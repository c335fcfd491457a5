"""Our side of `benchmarks/intermittent.py`: Mosquitto, an aggregator and agents, as installed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from urllib.parse import urlsplit

import numpy as np

from benchmarks.intermittent_run import Outcome, RoundRow, Setup, follow
from benchmarks.intermittent_task import MODEL
from benchmarks.intermittent_troupe import RESTART_DELAY_S, Troupe
from broker.deploy.embedded import EmbeddedBroker
from broker.protocol.messages import ModelAnnouncement
from edge_agent.effects import Model
from edge_agent.examples import ExampleStore
from edge_agent.windows import Window
from perfuse.demo.observer import Observer
from perfuse.demo.stage import to_toml
from perfuse.demo.watch import Watch
from perfuse.link.proxy import LinkProxy, Route, opened

_HOST = "127.0.0.1"
_KEEPALIVE_S = 60
_LEAST_KEEPALIVE_S = 5
_OPEN = re.compile(r"\(train\) is open to (\d+) gateways?")
_ABANDONED = re.compile(r"is abandoned: (\d+) of (\d+) reported")


class PerfuseSide:
    """One run of perfuse's own processes."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._names = [f"gw-{number:02}" for number in range(setup.task.clients)]
        environment = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self._troupe = Troupe(setup.directory, environment)
        self._broker = EmbeddedBroker(setup.directory / "broker", "mosquitto")
        self._rows: list[RoundRow] = []
        self._population = "intermittent"

    async def run(self) -> Outcome:
        """Run to the target or the limit."""
        setup, outcome = self._setup, Outcome()
        for name, subject in zip(self._names, setup.task.gateways, strict=True):
            self._fill(name, subject)
        async with contextlib.AsyncExitStack() as stack:
            self._broker.start()
            stack.callback(self._broker.stop)
            parameters = setup.task.artifact.spec.parameters
            observer = Observer(self._population, parameters, self._on_version)
            watch = Watch((self._broker.url,), observer)
            stack.push_async_callback(watch.close)
            stack.push_async_callback(self._troupe.close)
            self._keep("server", "aggregator", self._aggregator())
            links = []
            for number, name in enumerate(self._names):
                route = Route(_HOST, self._broker.port)
                proxy = LinkProxy(setup.profile, setup.task.seed + number, route, speed=setup.speed)
                links.append(await stack.enter_async_context(opened(proxy)))
                self._keep(f"client-{number}", "agent", self._agent(name, proxy.port))
            await follow(setup, outcome, links, self._all_rows, self._kill)
        log = (setup.directory / "server.log").read_text()
        outcome.asked = sum(map(int, _OPEN.findall(log)))
        if abandoned := len(_ABANDONED.findall(log)):
            outcome.notes.append(f"{abandoned} rounds abandoned")
        return outcome

    async def _kill(self, who: str) -> None:
        """The server's machine has the broker on it, too."""
        self._troupe.kill(who)
        if who == "server":
            self._broker.kill()
            await asyncio.sleep(RESTART_DELAY_S)
            self._broker.start()

    def _keep(self, name: str, command: str, settings: dict[str, object]) -> None:
        config = self._setup.directory / f"{name}.toml"
        config.write_text(to_toml(settings))
        config.chmod(0o600)
        self._troupe.keep(name, sys.executable, "-m", "perfuse", command, "--config", str(config))

    def _fill(self, name: str, subject: str) -> None:
        """Give a gateway its subject's windows, as if it had read them."""
        task = self._setup.task
        directory = self._setup.directory / name
        directory.mkdir()
        spec, mine = task.artifact.spec, task.dataset.of((subject,))
        store = ExampleStore(directory / "examples.sqlite", spec.input_shape, len(mine.x))
        with contextlib.closing(store):
            store.extend(
                (Window("recording", i, i + 1, np.asarray(x), 0.0), spec.classes[int(y)])
                for i, (x, y) in enumerate(zip(mine.x, mine.y, strict=True))
            )

    def _aggregator(self) -> dict[str, object]:
        setup, task = self._setup, self._setup.task
        return {
            "population": self._population,
            "model": MODEL,
            "state_dir": str(setup.directory / "aggregator"),
            "seed": task.seed,
            "broker": {"url": self._broker.url},
            "rounds": {
                "rounds": setup.rounds,
                "min_gateways": setup.min_gateways,
                "min_reports": 1,
                "min_examples": 1,
                "deadline_s": setup.deadline_s,
            },
            "training": {
                "local_epochs": task.local_epochs,
                "learning_rate": task.learning_rate,
                "schedule": "constant",
                "momentum": task.momentum,
                "rotation_deg": task.rotation_deg,
                "scaling": task.scaling,
                "server_momentum": 0.0,
            },
        }

    def _agent(self, name: str, port: int) -> dict[str, object]:
        setup = self._setup
        password = urlsplit(self._broker.url)
        url = f"mqtt://{password.username}:{password.password}@{_HOST}:{port}"
        keepalive_s = max(_LEAST_KEEPALIVE_S, round(_KEEPALIVE_S / setup.speed))
        return {
            "population": self._population,
            "gateway": name,
            "model": MODEL,
            "state_dir": str(setup.directory / name),
            "broker": {"url": url, "keepalive_s": keepalive_s},
            # All examples are trained on, as on the other side.
            "check": {"held_back": 0.0},
        }

    def _on_version(self, announced: ModelAnnouncement, model: Model) -> None:
        score = self._setup.task.macro_f1(model.parameters, model.normalisation)
        self._rows.append(RoundRow(announced.version, announced.cohort, announced.reported, score))

    def _all_rows(self) -> list[RoundRow]:
        """The committed rounds of training; version 0 is made of sums."""
        return [row for row in self._rows if row.number]
