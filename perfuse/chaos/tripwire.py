"""Stops a real agent or aggregator in a chosen phase, for whoever wants to harm it there.

Installed into a service's own process by :mod:`perfuse.chaos.victim`. It looks at what goes through
the link, at the statements that SQLite is about to execute, and at optimizer steps; it changes
nothing of what they do.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker import durable
from broker.aggregator.fold import WeightedMean
from broker.link import MqttLink
from broker.protocol.effects import Publish
from edge_agent.local_run import LocalRun
from perfuse.chaos.cells import Phase

_WRITES = {"INTO outgoing": Phase.JOURNAL, "INTO folded": Phase.FOLD, "INTO version": Phase.COMMIT}


class Tripwire:
    """Tells the stage of every phase, and goes on when it is answered.

    Args:
        path: the stage's Unix socket.
        name: of this process there.
    """

    def __init__(self, path: str, name: str) -> None:
        self._lock = threading.Lock()
        self._name = name
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def trip(self, what: str) -> None:
        """Say where the process is, and wait for the word to go on."""
        with self._lock:
            self._socket.sendall(f"{self._name} {what}\n".encode())
            if self._socket.recv(1) != b"\n":
                raise SystemExit("the stage has gone")

    def install(self) -> None:
        """Put the wires up."""
        self._watch_link()
        self._watch_statements()
        self._watch_training()
        self._watch_folding()

    def _watch_link(self) -> None:
        apply, take = MqttLink.apply, MqttLink._take  # a test's tool looks inside

        def watched_apply(link: MqttLink, effect: Any) -> None:
            if isinstance(effect, Publish) and (phase := _sent(effect.topic)):
                self.trip(phase)
            apply(link, effect)

        def watched_take(link: MqttLink, message: Any) -> None:
            if phase := _received(message.topic, bytes(message.payload)):
                self.trip(phase)
            take(link, message)

        _replace(MqttLink, "apply", watched_apply)
        _replace(MqttLink, "_take", watched_take)

    def _watch_statements(self) -> None:
        connect = sqlite3.connect

        def watched(path: str | Path, *args: Any, **kwargs: Any) -> sqlite3.Connection:
            db: sqlite3.Connection = connect(path, *args, **kwargs)
            db.set_trace_callback(self._statements())
            return db

        durable.sqlite3 = _Module(sqlite3, connect=watched)  # type: ignore[assignment, attr-defined]

    def _statements(self) -> Callable[[str], None]:
        found: list[Phase] = []

        def about_to_execute(statement: str) -> None:
            if statement == "COMMIT":
                for phase in found:
                    self.trip(phase)
                found.clear()
            elif statement in ("BEGIN IMMEDIATE", "ROLLBACK"):
                found.clear()
            else:
                head = statement[:60]
                found.extend(phase for words, phase in _WRITES.items() if words in head)

        return about_to_execute

    def _watch_training(self) -> None:
        step = LocalRun.step

        def watched(run: LocalRun, *args: Any) -> None:
            self.trip(Phase.TRAINING)
            step(run, *args)

        _replace(LocalRun, "step", watched)

    def _watch_folding(self) -> None:
        apply = WeightedMean.apply

        def watched(mean: WeightedMean, *args: Any) -> Any:
            self.trip(f"folded {mean.updates} {mean.weight!r}")
            return apply(mean, *args)

        _replace(WeightedMean, "apply", watched)


class _Module:
    """A module with some of its names replaced."""

    def __init__(self, module: Any, **names: Any) -> None:
        self._module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _replace(cls: type, name: str, function: Callable[..., Any]) -> None:
    setattr(cls, name, function)


def _sent(topic: str) -> Phase | None:
    for end, phase in (("/model", Phase.PUBLISH), ("/plan", Phase.IDLE)):
        if topic.endswith(end):
            return phase
    return Phase.UPLOAD if "/chunk/" in topic else None


def _received(topic: str, payload: bytes) -> Phase | None:
    if topic.endswith("/plan"):
        return Phase.PLAN
    if "/blob/" in topic and payload:
        return Phase.DOWNLOAD
    return Phase.RECEIPT if topic.endswith("/reply") and b"receipt" in payload else None
