"""One simulation from its options to its report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.aggregator.service import task_of
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.protocol.messages import MAX_COHORT
from models.artifact import load_artifact
from models.trainable import TrainableModel
from perfuse.simulation.baselines import baselines
from perfuse.simulation.dataset import DatasetError, load_dataset, split_clients
from perfuse.simulation.federation import Federation, RoundEnd
from perfuse.simulation.scoring import score_model
from perfuse.simulation.workforce import Workforce

Row = dict[str, Any]
_VIRTUAL_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What to simulate; see ``perfuse simulate --help``."""

    data: Path
    model: str
    clients: str
    holdout: float
    rounds: int
    cohort: int
    training: TrainingSettings
    seed: int
    processes: int
    with_baselines: bool


def simulate(options: SimulationOptions, said: Callable[[Row], None]) -> dict[str, Any]:
    """Run a federation over recorded data; returns the report.

    Args:
        options: what to simulate.
        said: called with each round's row as it ends.

    Raises:
        DatasetError: the data cannot be used.
        ModelError: there is no such model.
        SimulationError: the federation cannot go on.
        SettingError: a setting that cannot be.
    """
    artifact = load_artifact(options.model)
    dataset = load_dataset(options.data, options.clients, artifact.spec)
    split = split_clients(dataset, options.holdout, options.seed)
    if len(split.training) > MAX_COHORT:
        raise DatasetError(options.data, f"{len(split.training)} clients; at most {MAX_COHORT}")
    heldout = dataset.of(split.heldout)
    model = TrainableModel(artifact)
    rows: list[Row] = []
    with ExitStack() as stack:
        workforce = stack.enter_context(
            Workforce(
                options.model, options.data, options.clients, split.training, options.processes
            )
        )
        federation = stack.enter_context(
            closing(
                Federation(
                    _settings(options, len(split.training)),
                    task_of(artifact),
                    workforce.counts(),
                    workforce.perform,
                )
            )
        )
        began = time.monotonic()

        def round_ended(end: RoundEnd) -> None:
            nonlocal began
            _, normalisation, parameters = federation.model()
            seconds = time.monotonic() - began
            score = score_model(model, parameters, normalisation, heldout.x, heldout.y)
            rows.append(_row(end, score.as_dict(), seconds))
            said(rows[-1])
            began = time.monotonic()

        federation.run(round_ended)
    report: dict[str, Any] = {
        "dataset": dataset.name,
        "model": artifact.spec.name,
        "parameters": artifact.spec.parameters,
        "seed": options.seed,
        "clients": list(split.training),
        "heldout_clients": list(split.heldout),
        "codec": options.training.codec,
        "bytes": "MQTT payloads of all gateways together; topics and packet headers not counted",
        "rounds": rows,
        "final": rows[-1],
    }
    if options.with_baselines:
        report["baselines"] = baselines(
            artifact, dataset, split, options.training, options.rounds, options.seed
        )
    return report


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON, whole or not at all."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(report, indent=2) + "\n")
    draft.replace(path)


def _settings(options: SimulationOptions, clients: int) -> AggregatorSettings:
    cohort = min(options.cohort, clients)
    rounds = RoundSettings(
        rounds=options.rounds,
        cohort=cohort,
        min_gateways=clients,
        min_reports=cohort or clients,
        deadline_s=_VIRTUAL_DEADLINE_S,
        min_examples=1,
    )
    return AggregatorSettings("simulation", rounds, options.training, seed=options.seed)


def _row(end: RoundEnd, score: dict[str, float | None], seconds: float) -> Row:
    return {
        "version": end.version,
        "committed": end.committed,
        "cohort": end.cohort,
        "reported": end.reported,
        **score,
        "uplink_bytes": end.uplink_bytes,
        "downlink_bytes": end.downlink_bytes,
        "seconds": round(seconds, 3),
    }
