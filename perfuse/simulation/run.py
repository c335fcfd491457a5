"""One simulation from its options to its report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from broker.aggregator.service import task_of
from broker.aggregator.settings import AggregatorSettings, TrainingSettings
from broker.protocol.cohort import MAX_COHORT
from models.artifact import Artifact, load_artifact
from models.trainable import TrainableModel
from perfuse.simulation.baselines import baselines
from perfuse.simulation.dataset import DatasetError, load_dataset, split_clients
from perfuse.simulation.federation import Federation
from perfuse.simulation.labour import Labour
from perfuse.simulation.linked_federation import LinkedFederation, LinkedRoundEnd
from perfuse.simulation.round_end import RoundEnd
from perfuse.simulation.scheduling import Scheduling, Timing, report_of
from perfuse.simulation.scoring import score_model
from perfuse.simulation.traits import Traits
from perfuse.simulation.workforce import Workforce

Row = dict[str, Any]
_WIRE_BYTES = (
    "MQTT packets that the gateways' links carried, sent again or lost on the way too; TCP, TLS "
    "and keepalive not counted. What is still under way when a round ends counts with the next"
)


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What to simulate; see ``perfuse simulate --help``."""

    data: Path
    model: str
    clients: str
    holdout: float
    rounds: int
    training: TrainingSettings
    seed: int
    processes: int
    with_baselines: bool
    scheduling: Scheduling = field(default_factory=Scheduling)
    timing: Timing | None = None
    """``None``: nothing takes any time."""
    tiers: tuple[tuple[str, float], ...] = ()
    """Capability tiers, and what share of the clients each has; the rest can train all."""
    links: tuple[tuple[str, float], ...] = ()
    """Classes of links, and what share of the clients is behind each."""
    quiet: bool = False
    """Whether gateways say only what the aggregator needs."""


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
        OptionError: an option that does not go with the others or with the data.
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
            closing(_federation(options, artifact, len(split.training), workforce))
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
        "model_codec": options.training.model_codec,
        "bytes": "MQTT payloads of all gateways together; topics and packet headers not counted",
        "rounds": rows,
        "final": rows[-1],
    }
    if options.timing is not None:
        settings = _settings(options, len(split.training)).rounds
        report["schedule"] = report_of(options.scheduling, settings)
        report["updates"] = _updates(rows)
        report["link"] = {
            "profile": options.timing.profile,
            "step_ms": options.timing.step_ms,
            "seed": options.seed,
            "wire_bytes": _WIRE_BYTES,
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


def _federation(
    options: SimulationOptions, artifact: Artifact, clients: int, workforce: Workforce
) -> Federation | LinkedFederation:
    settings, task, counts = _settings(options, clients), task_of(artifact), workforce.counts()
    names = sorted(counts)
    traits = Traits(
        _shared_out(options.tiers, names, (options.seed, 1)),
        _shared_out(options.links, names, (options.seed, 2)),
        options.quiet,
    )
    timing = options.timing
    if timing is None:
        return Federation(settings, task, counts, workforce.perform, traits)
    labour = Labour(workforce.perform, artifact.spec.batch_size, timing.step_ms)
    seed = options.seed
    return LinkedFederation(settings, task, counts, labour, timing.link, seed, traits=traits)


def _settings(options: SimulationOptions, clients: int) -> AggregatorSettings:
    profile = None if options.timing is None else options.timing.link
    rounds = options.scheduling.settings(options.rounds, clients, profile)
    return AggregatorSettings("simulation", rounds, options.training, seed=options.seed)


def _updates(rows: list[Row]) -> Row:
    """Return what became of the updates and rounds of a run, all in all."""
    committed = [row for row in rows if row["committed"]]
    return {
        "rounds_committed": len(committed),
        "rounds_abandoned": len(rows) - len(committed),
        "folded": sum(row["reported"] for row in committed),
        **{name: sum(row[name] for row in rows) for name in ("late", "partial", "refused")},
    }


def _shared_out(
    shares: tuple[tuple[str, float], ...], clients: list[str], seed: tuple[int, int]
) -> dict[str, str]:
    """Client -> tier or class of link, drawn with the seed."""
    order = np.random.default_rng(seed).permutation(clients).tolist()
    found: dict[str, str] = {}
    for name, share in shares:
        count = round(share * len(clients))
        found |= dict.fromkeys(order[:count], name)
        order = order[count:]
    return found


def _row(end: RoundEnd, score: dict[str, float | None], seconds: float) -> Row:
    row: Row = {
        "version": end.version,
        "committed": end.committed,
        "cohort": end.cohort,
        "reported": end.reported,
        "late": end.late,
        "partial": end.partial,
        "refused": end.refused,
        **score,
        "uplink_bytes": end.uplink_bytes,
        "downlink_bytes": end.downlink_bytes,
        "seconds": round(seconds, 3),
    }
    if isinstance(end, LinkedRoundEnd):
        row["virtual_seconds"] = end.virtual_seconds
        row["wire_uplink_bytes"] = end.wire_uplink_bytes
        row["wire_downlink_bytes"] = end.wire_downlink_bytes
    return row
