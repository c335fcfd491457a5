"""Makes the version that an open round commits, from the versions before it in the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.next_model import NextModel, next_model
from broker.aggregator.open_round import OpenRound
from broker.aggregator.round_log import RoundLog
from broker.aggregator.server_momentum import carried
from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.messages import PlanKind
from broker.protocol.model_blob import pack_model, unpack_model


class Succession:
    """Every version comes from the one before it, and from what its round has folded."""

    def __init__(self, settings: AggregatorSettings, task: Task, log: RoundLog) -> None:
        self._settings = settings
        self._task = task
        self._log = log

    def found(self) -> None:
        """Make version 0 of a task whose normalisation is known beforehand, unless it is there."""
        task = self._task
        if self._log.latest_version() is None and task.normalisation is not None:
            self._log.found(pack_model(0, task.artifact, task.normalisation, task.initial))

    def next_model(self, open_round: OpenRound) -> NextModel:
        """Return what a round that has reported makes."""
        plan, task, settings = open_round.round.plan, self._task, self._settings
        if plan.kind is PlanKind.STATISTICS:
            normalisation = open_round.normalisation()
            return NextModel(pack_model(0, task.artifact, normalisation, task.initial))
        base = self._parameters(plan.version)
        return next_model(
            self._log.blob(plan.version),
            self._carried(plan.version, base, open_round.parameters(base)),
            self._log.carry(),
            settings.training.model_codec,
            task.codec_layout,
            np.random.default_rng((settings.seed, plan.version, 1)),
        )

    def _carried(
        self, version: int, base: NDArray[np.float32], parameters: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        momentum = self._settings.training.server_momentum
        if not version or not momentum:
            return parameters
        before = self._parameters(version - 1)
        return carried(parameters, base, before, momentum, self._task.ranges)

    def _parameters(self, version: int) -> NDArray[np.float32]:
        task = self._task
        _, _, parameters = unpack_model(self._log.blob(version), task.artifact, task.initial.size)
        return parameters
