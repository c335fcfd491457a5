"""One simulation from its options to its report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from broker.aggregator.service import task_of
from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from broker.protocol.messages import MAX_COHORT
from models.artifact import Artifact, load_artifact
from models.trainable import TrainableModel
from perfuse.link.profiles import PROFILES
from perfuse.simulation.baselines import baselines
from perfuse.simulation.dataset import DatasetError, load_dataset, split_clients
from perfuse.simulation.federation import Federation, RoundEnd
from perfuse.simulation.labour import Labour
from perfuse.simulation.linked_federation import LinkedFederation, LinkedRoundEnd
from perfuse.simulation.scoring import score_model
from perfuse.simulation.workforce import Workforce

Row = dict[str, Any]
_VIRTUAL_DEADLINE_S = 600.0
_WIRE_BYTES = (
    "MQTT packets that the gateways' links carried, sent again or lost on the way too; TCP, TLS "
    "and keepalive not counted. What is still under way when a round ends counts with the next"
)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How gateways are linked, and what they wait for.

    Attributes:
        profile: a name in :data:`perfuse.link.profiles.PROFILES`.
        step_ms: what a training step takes on a gateway.
        deadline_s: how long a round may take.
        min_gateways: ready gateways to wait for before a round opens; 0: three quarters of those
            that the profile lets be there on average, all where it is always up.
        min_reports: updates without which a round is abandoned; 0: half of ``min_gateways``, all of
            the cohort where the link is always up.
    """

    profile: str
    step_ms: float
    deadline_s: float
    min_gateways: int = 0
    min_reports: int = 0


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
    link: LinkOptions | None = None
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
    if options.link is not None:
        report["link"] = _link_report(options, options.link, len(split.training))
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
    link = options.link
    if link is None:
        names = sorted(counts)
        tiers = _shared_out(options.tiers, names, (options.seed, 1))
        links = _shared_out(options.links, names, (options.seed, 2))
        perform = workforce.perform
        return Federation(settings, task, counts, perform, tiers, links, options.quiet)
    labour = Labour(workforce.perform, artifact.spec.batch_size, link.step_ms)
    return LinkedFederation(settings, task, counts, labour, PROFILES[link.profile], options.seed)


def _settings(options: SimulationOptions, clients: int) -> AggregatorSettings:
    cohort = min(options.cohort, clients)
    min_gateways, min_reports = _enough(options.link, cohort, clients)
    rounds = RoundSettings(
        rounds=options.rounds,
        cohort=cohort,
        min_gateways=min_gateways,
        min_reports=min_reports,
        deadline_s=_VIRTUAL_DEADLINE_S if options.link is None else options.link.deadline_s,
        min_examples=1,
    )
    return AggregatorSettings("simulation", rounds, options.training, seed=options.seed)


def _enough(link: LinkOptions | None, cohort: int, clients: int) -> tuple[int, int]:
    """Return how many gateways a round waits for, and how many reports it needs."""
    if link is None:
        return clients, min(clients, cohort or clients)
    profile = PROFILES[link.profile]
    gateways = min(link.min_gateways or profile.min_gateways(clients), clients)
    reports = link.min_reports or profile.min_reports(gateways)
    return gateways, min(reports, gateways, cohort or clients)


def _link_report(options: SimulationOptions, link: LinkOptions, clients: int) -> Row:
    min_gateways, min_reports = _enough(link, min(options.cohort, clients), clients)
    chosen = {"min_gateways": min_gateways, "min_reports": min_reports}
    return asdict(link) | chosen | {"seed": options.seed, "wire_bytes": _WIRE_BYTES}


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
