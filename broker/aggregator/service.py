"""The aggregator as a process: the coordinator on an MQTT link, ticking."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

from broker.aggregator.coordinator import Coordinator, Effect
from broker.aggregator.errors import StateError
from broker.aggregator.events import (
    Event,
    GatewayDoubled,
    GatewayRefused,
    GatewayRestored,
    MessageRefused,
    RoundAbandoned,
    RoundCommitted,
    RoundOpened,
    UpdateAccepted,
    UpdateRefused,
    UpdateUnreadable,
)
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.keys import KEY_FILE, load_or_make_seed, read_keys
from broker.link import MqttLink, steady_unix_s
from broker.protocol.compression import Layout
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.signing import Ed25519Signer
from broker.settings import BrokerSettings
from models.artifact import Artifact
from models.coordinates import touched_by_mode
from models.spec import Role

_LOG = logging.getLogger(__name__)
P = ParamSpec("P")
_TICK_S = 0.5
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# After the last commit the new version must still reach the broker.
_FAREWELL_S = 5.0


def task_of(artifact: Artifact) -> Task:
    """Return what an aggregator must know of the artifact that its population trains."""
    spec = artifact.spec
    return Task(
        bytes.fromhex(spec.digest),
        artifact.initial_parameters(),
        len(spec.channels),
        spec.normalisation,
        tuple(block.slice for block in spec.layout if block.role is Role.RANGE),
        touched_by_mode(spec),
        Layout.of(spec.layout),
    )


class AggregatorService:
    """One population's aggregator.

    Args:
        settings: the population and how its rounds go.
        broker: where the broker is.
        artifact: the model that is trained.
        state_dir: where the round log and the secret key are kept.
        keys_file: public keys of the only gateways that may take part; pinned on first use when
            empty.

    Raises:
        StateError: the state is another population's, or cannot be opened.
        KeyFileError: a key file cannot be used.
    """

    def __init__(
        self,
        settings: AggregatorSettings,
        broker: BrokerSettings,
        artifact: Artifact,
        state_dir: Path,
        keys_file: str = "",
    ) -> None:
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(state_dir, error.strerror or str(error)) from error
        listed = read_keys(Path(keys_file)) if keys_file else None
        signer = Ed25519Signer(load_or_make_seed(state_dir / KEY_FILE))
        _LOG.info("this aggregator's public key is %s", signer.public.hex())
        task = task_of(artifact)
        self._log_path = state_dir / "rounds.sqlite"
        self._log = RoundLog(self._log_path, settings.population, task.artifact)
        began_ms = int(time.time() * 1000)
        self._coordinator = Coordinator(settings, task, self._log, signer, listed, began_ms)
        self._population = settings.population
        self._broker = broker
        self._link: MqttLink | None = None
        self._said = self._unsaid = False
        self._trouble = ""
        self._damage: StateError | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, or every round that was asked for is committed and said.

        Raises:
            SettingError: the broker's settings cannot be used.
            StateError: the round log was damaged meanwhile.
        """
        client_id = f"perfuse-{self._population}-aggregator"
        self._link = MqttLink(self._broker, client_id, self._coordinator.will(), self)
        self._link.open()
        try:
            while not (stop.is_set() or self._done):
                await _wait(stop, _TICK_S)
                if self._damage is not None:
                    raise self._damage
                self._core(self._coordinator.tick, steady_unix_s())
                if self._unsaid:
                    self.connected()
        finally:
            self._link.apply(self._coordinator.will())
            await self._link.drain(_FAREWELL_S)
            await self._link.close()
            self._log.close()

    @property
    def _done(self) -> bool:
        """Whether training is over, and the broker has the last version: a crash may have come
        between its commit and the word of it, or there may be no link."""
        over = self._coordinator.finished and self._said
        return over and self._link is not None and self._link.idle

    def connected(self) -> None:
        """See :class:`broker.link.LinkUser`."""
        self._said = self._core(self._coordinator.connected)
        self._unsaid = not self._said

    def disconnected(self) -> None:
        """See :class:`broker.link.LinkUser`."""

    def received(self, topic: str, payload: bytes) -> None:
        """See :class:`broker.link.LinkUser`."""
        self._core(self._coordinator.receive, topic, payload, steady_unix_s())

    def published(self, token: str) -> None:
        """See :class:`broker.link.LinkUser`."""

    def _core(self, call: Callable[P, list[Effect]], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Do what the core wants.

        Returns whether it could. What it could not write, on a full disk, it has not answered
        either: gateways offer again, and the next tick tries again what was due.
        """
        try:
            self._apply(call(*args, **kwargs))
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                self._damage = StateError(self._log_path, str(error))
            elif str(error) != self._trouble:
                _LOG.error("%s: %s; trying again", self._log_path, error)
            self._trouble = str(error)
            return False
        self._trouble = ""
        return True

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Publish | Subscribe | Unsubscribe):
                if self._link is not None:
                    self._link.apply(effect)
            else:
                level, text = describe(effect)
                _LOG.log(level, "%s", text)


def describe(event: Event) -> tuple[int, str]:
    """Return an event's log level and its line."""
    return _DESCRIPTIONS[type(event)](event)


_DESCRIPTIONS: dict[type, Callable[..., tuple[int, str]]] = {
    RoundOpened: lambda e: (
        logging.INFO,
        f"round {e.round} ({e.kind}) is open to {e.cohort} gateways",
    ),
    UpdateAccepted: lambda e: (
        logging.INFO,
        f"round {e.round}: update of {e.gateway} over {e.num_examples} examples, "
        f"{e.payload_bytes} bytes, loss {e.loss:.3f}"
        + (f", {e.staleness} versions behind" if e.staleness else "")
        + (f", {e.share:.0%} of the steps" if e.share < 1 else ""),
    ),
    UpdateRefused: lambda e: (
        logging.WARNING,
        f"update of {e.gateway} was not taken: {e.reason}",
    ),
    UpdateUnreadable: lambda e: (
        logging.ERROR,
        f"round {e.round}: an update of {e.gateway} was accepted and cannot be read any more, so "
        f"that it does not count: {e.reason}",
    ),
    RoundCommitted: lambda e: (
        logging.INFO,
        f"round {e.round} is committed: version {e.version} of {e.reported}/{e.cohort} updates",
    ),
    RoundAbandoned: lambda e: (
        logging.WARNING,
        f"round {e.round} is abandoned: {e.reported} of {e.cohort} reported; trying again "
        f"in {e.retry_after_s:.0f} s",
    ),
    GatewayRefused: lambda e: (
        logging.ERROR,
        f"gateway {e.gateway} is not let in: {e.reason}",
    ),
    GatewayRestored: lambda e: (
        logging.WARNING,
        f"gateway {e.gateway} has gone back from start {e.before} to {e.birth}: its state was "
        "restored from a backup",
    ),
    GatewayDoubled: lambda e: (
        logging.ERROR,
        f"{e.agents} agents run as gateway {e.gateway} at once, with one key: stop all but one, "
        "and give a copied state_dir a gateway name and a key of its own",
    ),
    MessageRefused: lambda e: (
        logging.WARNING,
        f"dropped a message on {e.topic}: {e.reason}",
    ),
}


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
