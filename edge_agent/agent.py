"""The agent: sensors, windows, examples, inference, training and the uplink in one process.

One TaskGroup; every task has a name. Reading and alerting never wait for the link or for training.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import ParamSpec

import numpy as np
from numpy.typing import NDArray

from broker.keys import KEY_FILE, load_or_make_seed
from broker.link import MqttLink, steady_unix_s
from broker.protocol.compression import Layout
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.messages import GatewayState, Mode
from broker.protocol.signing import Ed25519Signer
from edge_agent.alerts import Alert, AlertLog, AlertRule
from edge_agent.census import Census
from edge_agent.checkpoints import CheckpointStore
from edge_agent.deployment import Deployment
from edge_agent.effects import (
    Effect,
    FinishWork,
    Identity,
    Install,
    Note,
    PauseWork,
    StartWork,
    StopWork,
)
from edge_agent.eligibility import UNKNOWN_LINK, Obstacle
from edge_agent.eligibility import Reason as Obstructed
from edge_agent.eligibility_watch import EligibilityWatch
from edge_agent.errors import StorageError, TrainingError
from edge_agent.examples import ExampleStore, HoldBack, truth_of
from edge_agent.held_alerts import HeldAlerts
from edge_agent.inference import Inference
from edge_agent.installed import InstalledFile
from edge_agent.journal import Journal
from edge_agent.labels import Annotation
from edge_agent.machine import Machine
from edge_agent.participant import Participant
from edge_agent.pipeline import Pipeline
from edge_agent.settings import AgentSettings
from edge_agent.trainer import Summed, Trained, Trainer
from edge_agent.windows import Window
from edge_agent.worker import Worker
from firmware_bridge.errors import RecordingError, SourceError
from firmware_bridge.quality import Reason
from firmware_bridge.source import Source
from models.artifact import Artifact
from models.coordinates import touched_by_mode
from models.errors import ModelError
from models.partial import learner_of
from models.spec import CLASSIFICATION

_LOG = logging.getLogger(__name__)
P = ParamSpec("P")
_TICK_S = 1.0
_STORAGE_RETRY_S = 30.0
_TICKS_PER_LOOK = 10
_TICKS_PER_CENSUS = 300


class Agent:
    """One gateway.

    Args:
        settings: what the gateway was told.
        artifact: the model that its population trains.
        sources: its sensors, open or not.
        machine: what it runs on.

    Raises:
        StorageError: a state file cannot be opened, or is another gateway's.
        KeyFileError: the secret key cannot be read or made.
    """

    def __init__(
        self,
        settings: AgentSettings,
        artifact: Artifact,
        sources: tuple[Source, ...],
        machine: Machine | None = None,
    ) -> None:
        self._settings = settings
        self._artifact = artifact
        self._sources = sources
        self._state = Path(settings.state_dir)
        try:
            self._state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(self._state, error.strerror or str(error)) from error
        identity = Identity(
            settings.population,
            settings.gateway,
            bytes.fromhex(artifact.spec.digest),
            artifact.spec.parameters,
            settings.chunk_bytes,
            settings.tier,
            touched_by_mode(artifact.spec),
            Layout.of(artifact.spec.layout),
            settings.link.kind or UNKNOWN_LINK,
            settings.link.quiet,
        )
        signer = Ed25519Signer(load_or_make_seed(self._state / KEY_FILE))
        owner = f"{settings.population}/{settings.gateway}"
        with ExitStack() as opened:
            self._examples = opened.enter_context(closing(self._open_examples()))
            self._journal = opened.enter_context(
                closing(
                    Journal(
                        self._state / "journal.sqlite",
                        owner,
                        identity.artifact,
                        room_bytes=settings.journal_bytes,
                        floor=int(time.time()),
                    )
                )
            )
            self._alerts = opened.enter_context(closing(AlertLog(self._state / "alerts.sqlite")))
            self._storages = opened.pop_all()
        kept = (self._state / "examples.sqlite").stat().st_mtime if len(self._examples) else 0.0
        self._machine = machine or Machine()
        self._watch = EligibilityWatch(settings.eligibility, self._machine, kept)
        configured = settings.aggregator_key
        self._participant = Participant(
            identity,
            self._journal,
            signer,
            os.urandom(8),
            bytes.fromhex(configured) if configured else None,
            settings.link.daily_budget_bytes,
        )
        self._inference = Inference(artifact)
        self._deployment = Deployment(
            artifact,
            self._inference,
            InstalledFile(self._state / "installed.model", artifact),
            settings.check,
            self._open_examples,
            self._say_version,
        )
        self._rule = AlertRule(settings.alert)
        self._held = HeldAlerts()
        self._worker = Worker(self._open_trainer)
        self._link: MqttLink | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._changed = asyncio.Event()
        self._censuses: list[Census] = []
        self._trouble = ""
        self._try_again_at = 0.0
        self._obstacles: tuple[Obstacle, ...] = ()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set.

        Raises:
            SettingError: the broker's settings cannot be used.
            StorageError: a state file was damaged meanwhile; opening it anew mends it.
        """
        topics_id = f"perfuse-{self._settings.population}-{self._settings.gateway}"
        self._link = MqttLink(self._settings.broker, topics_id, self._participant.will(), self)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks  # work may begin at once, on the plan of the life before
                await self._go_on()
                background = [
                    tasks.create_task(self._read(source), name=f"sensor {source.sensor}")
                    for source in self._sources
                ]
                background.append(tasks.create_task(self._tick(), name="tick"))
                background.append(tasks.create_task(self._deployment.run(), name="deployment"))
                self._link.open()
                await stop.wait()
                self._worker.close()
                self._deployment.close()
                for task in background:
                    task.cancel()
        except ExceptionGroup as group:
            raise _storage_error_of(group) from group
        finally:
            self._tasks = None
            self._worker.close()
            self._deployment.close()
            self._say_censuses()
            await self._say_goodbye()
            self._close_budget()
            self._storages.close()

    async def _go_on(self) -> None:
        """Take up what the journal and the disk hold."""
        self._deployment.recover()
        self._say_version(self._inference.version)
        self._core(self._participant.started)
        # Off the loop, but before the first window: a gateway looks at what its sensors say.
        await self._deployment.settle()
        self._count_examples()
        self._look_around()

    def annotate(self, annotation: Annotation) -> int:
        """Label the windows that lie within an annotation; returns how many were labelled."""
        labelled = self._examples.annotate(annotation)
        self._count_examples()
        return labelled

    def connected(self) -> None:
        """See :class:`broker.link.LinkUser`."""
        self._core(self._participant.connected, steady_unix_s())

    def disconnected(self) -> None:
        """See :class:`broker.link.LinkUser`."""
        self._core(self._participant.disconnected)

    def received(self, topic: str, payload: bytes) -> None:
        """See :class:`broker.link.LinkUser`."""
        self._core(self._participant.receive, topic, payload, steady_unix_s())

    def published(self, token: str) -> None:
        """See :class:`broker.link.LinkUser`."""
        self._core(self._participant.published, token, steady_unix_s())

    def _core(self, call: Callable[P, list[Effect]], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Do what the core wants; returns ``False``, having said so, if it could not write."""
        try:
            self._apply(call(*args, **kwargs))
        except StorageError as error:
            self._on_trouble(error)
            return False
        return True

    def _on_trouble(self, error: StorageError) -> None:
        if error.corrupt and self._tasks is not None:
            self._tasks.create_task(_fail(error), name="damaged state")
            return
        if self._trouble != str(error):
            _LOG.error("%s; trying again every %.0f s", error, _STORAGE_RETRY_S)
        self._trouble = str(error)
        self._try_again_at = steady_unix_s() + _STORAGE_RETRY_S

    def _try_again(self) -> None:
        """After messages that could not be taken: the broker retains what matters."""
        now = steady_unix_s()
        if self._trouble and now >= self._try_again_at:
            self._try_again_at = math.inf
            if self._core(self._participant.again, now):
                self._trouble = ""

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                if self._link is not None:
                    self._link.apply(effect)
            elif isinstance(effect, Install):
                self._deployment.want(effect.model)
            elif isinstance(effect, StartWork):
                self._start(effect)
            elif isinstance(effect, FinishWork):
                self._worker.finish(effect.plan)
            elif isinstance(effect, StopWork | PauseWork):
                self._worker.stop(effect.plan)
            elif isinstance(effect, Note):
                _LOG.log(effect.level, "%s", effect.text)

    def _say_version(self, version: int | None) -> None:
        self._core(self._participant.inferring, version, steady_unix_s())

    def _start(self, work: StartWork) -> None:
        if self._tasks is not None:
            _LOG.info("working on plan %s (%s)", work.plan.plan, work.plan.kind)
            # Begun before anything else is heard, so that a stop which follows finds it.
            running = self._worker.run(work)
            self._tasks.create_task(self._work(work, running), name=f"plan {work.plan.plan}")

    async def _work(
        self, work: StartWork, running: asyncio.Future[Trained | Summed | None]
    ) -> None:
        try:
            result = await running
        except (TrainingError, ModelError) as error:
            self._core(self._participant.declined, work.plan, str(error), steady_unix_s())
            return
        except StorageError as error:  # a disk that is full for a while must not cost the round
            why, wait_s = str(error), _STORAGE_RETRY_S
            self._core(self._participant.interrupted, work.plan, why, wait_s, steady_unix_s())
            return
        # What was learnt is not given up for a disk that is full for a while.
        while result is not None and not self._core(
            self._participant.worked, work.plan, result, steady_unix_s()
        ):
            await asyncio.sleep(_STORAGE_RETRY_S)

    async def _read(self, source: Source) -> None:
        settings = self._settings
        pipeline = Pipeline(
            self._artifact.spec, settings.window, self._keep, self._look, settings.quality
        )
        self._censuses.append(Census(source, pipeline))
        try:
            async for event in source.events():
                pipeline.take(event)
        except (SourceError, RecordingError) as error:
            _LOG.error("%s; the other sensors go on", error)

    def _keep(self, window: Window, label: str | None, truth: NDArray[np.float32] | None) -> None:
        try:
            self._examples.add(window, label, truth)
            self._watch.kept(steady_unix_s())
        except StorageError as error:
            _LOG.error("a window was not kept: %s", error)
        self._changed.set()

    def _look(self, window: Window, held: tuple[Reason, ...]) -> None:
        self._warn(self._held.judge(window.sensor, held))
        detection = self._inference.detect(window)
        if detection is None:
            return
        _LOG.debug("%s: %s %.2f", detection.sensor, detection.what, detection.score)
        if held:  # neither prolongs nor ends a row of alarming windows
            if cause := self._rule.cause(detection):
                self._warn(self._held.alarming(detection.sensor, cause, held))
            return
        alert = self._rule.judge(detection)
        if alert is not None:
            self._keep_alert(alert)
            _LOG.warning(
                "ALERT %s on %s: score %.2f, model version %d",
                alert.detection.what,
                detection.sensor,
                detection.score,
                detection.version,
            )

    def _warn(self, news: str) -> None:
        if news:
            _LOG.warning("%s", news)

    def _keep_alert(self, alert: Alert) -> None:
        try:
            self._alerts.add(alert)
        except StorageError as error:
            # A full disk must not keep people from hearing of it.
            _LOG.error("the next alert was not kept: %s", error)

    async def _tick(self) -> None:
        for number in count(1):
            await asyncio.sleep(_TICK_S)
            if number % _TICKS_PER_CENSUS == 0:
                self._say_censuses()
            if number % _TICKS_PER_LOOK == 0 or self._budget_turned():
                self._look_around()
            if self._changed.is_set():
                self._changed.clear()
                self._count_examples()
            self._core(self._participant.tick, steady_unix_s())
            self._try_again()

    def _say_censuses(self) -> None:
        for census in self._censuses:
            if line := census.news():
                _LOG.info("%s", line)

    def _look_around(self) -> None:
        now = steady_unix_s()
        found = self._watch.look(
            now,
            examples=self._trainable(),
            training=self._participant.state is GatewayState.TRAINING,
            windows=[census.windows for census in self._censuses],
            budget_left_bytes=self._participant.budget.left(now),
        )
        self._obstacles = found
        self._core(self._participant.judged, found, now)
        if not self._settings.link.kind:
            self._core(self._participant.linked, self._machine.link() or UNKNOWN_LINK, now)

    def _budget_turned(self) -> bool:
        """Whether today's bytes are spent, or are no longer, since the last look around."""
        spent = self._participant.budget.left(steady_unix_s()) == 0
        return spent is not any(found.reason is Obstructed.BUDGET for found in self._obstacles)

    def _close_budget(self) -> None:
        try:
            self._participant.budget.close()
        except StorageError as error:
            _LOG.warning("today's bytes are counted a block too many: %s", error)

    def _count_examples(self) -> None:
        self._core(self._participant.examples, self._trainable(), steady_unix_s())

    def _trainable(self) -> int:
        spec = self._artifact.spec
        return self._examples.trainable(spec.classes if spec.task == CLASSIFICATION else None)

    def _open_examples(self) -> ExampleStore:
        path = self._state / "examples.sqlite"
        spec, check = self._artifact.spec, self._settings.check
        return ExampleStore(
            path,
            spec.input_shape,
            self._settings.example_capacity,
            truth_of(spec),
            HoldBack(check.held_back, check.examples),
        )

    @contextmanager
    def _open_trainer(self, mode: Mode) -> Iterator[Trainer]:
        # A connection of its own: training reads while the loop goes on writing.
        path = self._state / "training.sqlite"
        with closing(self._open_examples()) as examples, closing(CheckpointStore(path)) as kept:
            yield Trainer(learner_of(self._artifact, mode), examples, kept)

    async def _say_goodbye(self) -> None:
        if self._link is not None:
            self._link.apply(self._participant.will())
            await self._link.close()


async def _fail(error: StorageError) -> None:
    raise error


def _storage_error_of(group: ExceptionGroup[Exception]) -> Exception:
    """Return the error of a state file, where the group holds nothing else."""
    storage, rest = group.split(StorageError)
    return group if storage is None or rest is not None else storage.exceptions[0]
