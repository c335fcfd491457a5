"""The demo: real recordings, real processes, a real broker, and what came of it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from broker.deploy.embedded import EmbeddedBroker
from broker.protocol.messages import ModelAnnouncement
from edge_agent.alerts import AlertLog
from edge_agent.effects import Model
from models.artifact import Artifact, load_artifact
from models.export import export_artifact
from models.int8 import Int8Model
from models.scores import predict
from models.trainable import TrainableModel
from perfuse.commands.missing import MissingExtraError
from perfuse.demo.examples import labelled_windows
from perfuse.demo.links import Links
from perfuse.demo.observer import Observer
from perfuse.demo.recordings import RATE_HZ, Recordings, load_recordings
from perfuse.demo.screen import Row, Screen
from perfuse.demo.stage import Cast, DemoError, prepare, replay, replay_over_bluetooth
from perfuse.demo.watch import Watch
from perfuse.link.profiles import PROFILES
from perfuse.simulation.run import write_report
from perfuse.simulation.scoring import score_model, score_predictions

if TYPE_CHECKING:
    from firmware_bridge.simulate.virtual_port import VirtualPort

MODEL = "shoulder-cnn1d"
HELD_OUT = (9, 10)
MAX_GATEWAYS = 8
# A gateway joins when it has seen this share of its subject's exercises.
_READY_SHARE = 0.8
_LOCAL_EPOCHS = 5
_DEADLINE_S = 120
_LAST_INSTALL_LIMIT_S = 30.0
_FAREWELL_S = 5.0
_REFRESH_S = 0.2


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What to show; see ``perfuse demo --help``."""

    gateways: int
    rounds: int
    speed: float
    codec: str
    broker_url: str
    out: Path
    report: Path | None
    link: str | None = None
    link_speed: float = 1.0


class Demo:
    """One run of the demo.

    Raises:
        RecordingsMissingError: the recordings are not installed.
        BrokerError: no broker is installed, or it does not start.
        DemoError: the directory is not the demo's, or a process failed.
    """

    def __init__(self, options: DemoOptions, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._artifact: Artifact = load_artifact(MODEL)
        self._recordings: Recordings = load_recordings()
        sessions = [self._recordings.sessions[subject] for subject in HELD_OUT]
        self._x, self._y = labelled_windows(sessions, self._artifact.spec)
        self._scorer = TrainableModel(self._artifact)
        self._population = f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
        self._rows: list[Row] = []
        self._model: Model | None = None
        self._observer = Observer(
            self._population, self._artifact.spec.parameters, self._on_version
        )
        self._began = time.monotonic()
        self._last = asyncio.Event()
        self._kinds = {f"gw-{n:02}": sensor_kind(n) for n in range(1, options.gateways + 1)}
        screen.sensors(self._kinds)
        profile = None if options.link is None else PROFILES[options.link]
        self._links = Links(profile, options.link_speed)
        if profile is not None:
            screen.linked(self._links.state)

    @property
    def finished(self) -> bool:
        """Whether the last version has been seen."""
        return self._last.is_set()

    async def run(self) -> None:
        """Play the demo to its end, or until Ctrl-C; leaves no process behind."""
        prepare(self._options.out)
        broker: EmbeddedBroker | None = None
        try:
            if not self._options.broker_url:
                broker = EmbeddedBroker(self._options.out / "broker")
                broker.start()
            url = broker.url if broker else self._options.broker_url
            async with self._links.opened(url, list(self._kinds)):
                self._say_opening(broker)
                await self._play(url)
        finally:
            if broker is not None:
                broker.stop()

    async def _play(self, url: str) -> None:
        watch = Watch((url,), self._observer)
        cast = Cast(self._options.out, self._screen.say)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        tasks = [asyncio.create_task(c, name=n) for n, c in self._parts(cast, url)]
        ending = asyncio.create_task(self._ending(), name="ending")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            self._screen.head()
            await _first_of(tasks, ending, stopping)
        finally:
            for task in (*tasks, ending, stopping):
                task.cancel()
            await asyncio.gather(*tasks, ending, stopping, return_exceptions=True)
            await cast.close()
            if self._options.broker_url:
                await watch.clear_retained(_FAREWELL_S)
            await watch.close()
            self._screen.done()
        if stop.is_set():
            raise KeyboardInterrupt

    def _parts(self, cast: Cast, url: str) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        parts = [("aggregator", cast.play("aggregator", "aggregator", self._aggregator(url)))]
        for number in range(1, self._options.gateways + 1):
            name = f"gw-{number:02}"
            sensor, wearing = self._sensor(name, number)
            parts.append((f"sensor {name}", wearing))
            parts.append((name, cast.play(name, "agent", self._gateway(name, sensor))))
        return parts

    def _sensor(
        self, name: str, number: int
    ) -> tuple[dict[str, object], Coroutine[Any, Any, None]]:
        """How a gateway reads its sensor, and the sensor."""
        session, speed = self._recordings.sessions[number], self._options.speed
        if self._kinds[name] == "serial":
            link = self._options.out / f"{name}.tty"
            return {"name": "watch", "port": str(link)}, replay(session, link, speed)
        port, address = _virtual_port(), f"F1:00:00:00:00:{number:02X}"
        settings: dict[str, object] = {
            "name": "watch",
            "kind": "ble",
            "profile": "perfuse_frame",
            "address": address,
            "adapter": port.adapter,
        }
        return settings, replay_over_bluetooth(session, port, address, speed)

    def _aggregator(self, url: str) -> dict[str, object]:
        gateways = self._options.gateways
        length = self._artifact.spec.input_shape[0]
        least = min(
            self._recordings.windows(subject, length, length // 2)
            for subject in range(1, gateways + 1)
        )
        min_gateways, min_reports = self._links.enough(gateways)
        return {
            "population": self._population,
            "model": MODEL,
            "state_dir": str(self._options.out / "aggregator"),
            "broker": {"url": url},
            "rounds": {
                "rounds": self._options.rounds,
                "min_gateways": min_gateways,
                "min_reports": min_reports,
                "min_examples": int(_READY_SHARE * least),
                "deadline_s": _DEADLINE_S + self._links.patience_s,
            },
            "training": {"local_epochs": _LOCAL_EPOCHS, "codec": self._options.codec},
        }

    def _gateway(self, name: str, sensor: dict[str, object]) -> dict[str, object]:
        return {
            "population": self._population,
            "gateway": name,
            "model": MODEL,
            "state_dir": str(self._options.out / name),
            "broker": self._links.broker(name),
            "sensor": [sensor],
            # Pendulum exercises are the ones that a patient should not do alone.
            "alert": {"classes": ["PEN"], "min_probability": 0.9},
        }

    async def _ending(self) -> None:
        """Wait for the last version and for every gateway to have it."""
        while not self._last.is_set():
            self._screen.gateways(self._observer.gateways)
            await asyncio.sleep(_REFRESH_S)
        limit = time.monotonic() + _LAST_INSTALL_LIMIT_S + self._links.patience_s
        while time.monotonic() < limit and not self._all_installed():
            self._screen.gateways(self._observer.gateways)
            await asyncio.sleep(_REFRESH_S)
        self._screen.gateways(self._observer.gateways)

    def _all_installed(self) -> bool:
        seen = self._observer.gateways.values()
        return all(presence.version == self._options.rounds for presence in seen)

    def _on_version(self, announced: ModelAnnouncement, model: Model) -> None:
        score = score_model(self._scorer, model.parameters, model.normalisation, self._x, self._y)
        row = Row(
            model.version,
            announced.cohort,
            announced.reported,
            score.accuracy or 0.0,
            score.macro_f1 or 0.0,
            self._observer.uplink_bytes,
            self._float32_bytes(announced),
            self._observer.downlink_bytes,
            time.monotonic() - self._began,
        )
        self._rows.append(row)
        self._model = model
        self._screen.row(row)
        if model.version >= self._options.rounds:
            self._last.set()

    def _float32_bytes(self, announced: ModelAnnouncement) -> int:
        """Bytes of the updates so far as float32; version 0 is made of sums, not of updates."""
        before = self._rows[-1].float32_bytes if self._rows else 0
        updates = announced.reported if announced.version else 0
        return before + 4 * updates * self._artifact.spec.parameters

    def _say_opening(self, broker: EmbeddedBroker | None) -> None:
        options, say = self._options, self._screen.say
        spec = self._artifact.spec
        subjects = ", ".join(map(str, HELD_OUT))
        longest = max(self._recordings.seconds(n) for n in range(1, options.gateways + 1))
        say(f"perfuse demo: {options.gateways} gateways, {options.rounds} rounds")
        say(
            f"  data     smartwatch recordings of shoulder exercises, {RATE_HZ} Hz x "
            f"{len(spec.channels)} channels; one subject a gateway,"
        )
        say(f"           subjects {subjects} held out ({len(self._y)} windows)")
        say(
            f"  sensors  each recording as a sensor's frames, x{options.speed:g} "
            f"(about {longest / options.speed:.0f} s)"
        )
        for kind, how in (("serial", "on a pty"), ("ble", "Bluetooth, on a simulated radio")):
            names = [name for name, of in self._kinds.items() if of == kind]
            say(f"           {kind:<6} {', '.join(names)}: {how}")
        say(f"  model    {spec.name}, {spec.parameters} parameters, int8-aware; {options.codec}")
        where = f"{broker.kind} on port {broker.port}" if broker else options.broker_url
        say(f"  broker   {where}")
        if options.link is not None:
            say(
                f"  links    {options.link}, one for each gateway, x{options.link_speed:g}: "
                f"{PROFILES[options.link].summary}"
            )
        say(f"  files    {options.out}/  (logs, state; *.pid, if you want to kill -9 one)")
        say()

    def conclude(self) -> None:
        """Say what came of it, and write the model and the report.

        Raises:
            DemoError: no version was ever seen.
        """
        if self._model is None:
            raise DemoError(f"no model was made; see {self._options.out}/aggregator.log")
        exported = export_artifact(
            self._artifact,
            self._model.parameters,
            self._model.normalisation,
            self._options.out / "model",
        )
        first, last = self._rows[0], self._rows[-1]
        int8 = self._int8_score(exported, self._model)
        alerts = [self._alerts(f"gw-{n:02}") for n in range(1, self._options.gateways + 1)]
        say = self._screen.say
        say()
        say(
            f"macro-F1 on the held-out subjects: {first.macro_f1:.3f} -> {last.macro_f1:.3f} "
            f"({last.macro_f1 - first.macro_f1:+.3f}) in {last.version} rounds; "
            f"full int8, as on the gateways: {int8:.3f}"
        )
        say(
            f"on the wire (MQTT payloads): {last.uplink_bytes / 1024:.0f} KiB up, "
            f"{last.downlink_bytes / 1024:.0f} KiB down, all gateways together"
        )
        if self._options.link is not None:
            up, down = self._links.carried_bytes
            say(
                f"over the links ({self._options.link}; all bytes of TCP, sent again or lost too): "
                f"{up / 1024:.0f} KiB up, {down / 1024:.0f} KiB down, {self._links.outages} outages"
            )
        where = f"on {sum(map(bool, alerts))} of {len(alerts)} gateways"
        say(f"local alerts: {sum(alerts)}, {where}, and kept there")
        say(f"model: perfuse models inspect {self._options.out / 'model'}")
        if self._options.report is not None:
            write_report(self._report(int8), self._options.report)
            say(f"report: {self._options.report}")

    def _report(self, int8: float) -> dict[str, Any]:
        up, down = self._links.carried_bytes
        linked = {
            "profile": self._options.link,
            "speed": self._options.link_speed,
            "outages": self._links.outages,
            "uplink_bytes": up,
            "downlink_bytes": down,
        }
        return {
            "link": linked if self._options.link is not None else None,
            "dataset": "seglearn-watch",
            "model": MODEL,
            "parameters": self._artifact.spec.parameters,
            "gateways": self._options.gateways,
            "heldout_subjects": list(HELD_OUT),
            "bytes": "MQTT payloads of all gateways together, from the start; "
            "topics and packet headers not counted",
            "rounds": [asdict(row) for row in self._rows],
            "final": asdict(self._rows[-1]) | {"int8_macro_f1": int8},
        }

    def _int8_score(self, exported: Artifact, model: Model) -> float:
        graph = Int8Model(exported.int8_path.read_bytes(), exported.spec)
        output: NDArray[np.float32] = graph.infer(model.normalisation.apply(self._x))
        predicted = predict(exported.spec, output)
        return score_predictions(self._y, predicted, len(exported.spec.classes)).macro_f1 or 0.0

    def _alerts(self, gateway: str) -> int:
        log = AlertLog(self._options.out / gateway / "alerts.sqlite")
        try:
            return len(log.all())
        finally:
            log.close()


def sensor_kind(number: int) -> str:
    """``"ble"`` for every fourth gateway from the second on, so that each demo has both kinds."""
    return "ble" if number % 4 == 2 else "serial"


def _virtual_port() -> VirtualPort:
    try:
        from firmware_bridge.simulate.virtual_port import VirtualPort
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "bumble", "demo") from error
    return VirtualPort()


async def _first_of(
    parts: list[asyncio.Task[None]], ending: asyncio.Task[None], stopping: asyncio.Task[Any]
) -> None:
    """Wait for the end or the stop; an error of any part ends the demo."""
    running: set[asyncio.Task[Any]] = {*parts, ending, stopping}
    while not (ending.done() or stopping.done()):
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def run_demo(options: DemoOptions) -> None:
    """Play the demo and conclude it.

    Raises:
        KeyboardInterrupt: Ctrl-C; everything was ended in order.
    """
    screen = Screen()
    demo = Demo(options, screen)
    try:
        asyncio.run(demo.run())
    except KeyboardInterrupt:
        screen.say(f"interrupted; every process has ended, logs and state are in {options.out}/")
        raise
    demo.conclude()
