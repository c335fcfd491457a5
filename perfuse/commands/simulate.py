"""``perfuse simulate``: a federation over a recorded dataset, in one process or a few."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from perfuse.commands.options import Commands, number, whole
from perfuse.commands.simulate_rounds import add_rounds, scheduling_of, timing_of
from perfuse.exit_codes import ExitCode

_DESCRIPTION = """\
Run the agents' and the aggregator's own code over a recorded dataset: one gateway per client,
an in-memory broker, virtual time. Some clients are held out; the model is scored on them.
The .npz holds x [n, ...], y [n] and an array that names each row's client.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "simulate",
        help="run a federation over a recorded dataset",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FILE", help=".npz with x, y and clients")
    add("--model", required=True, metavar="DIR|NAME", help="see: perfuse models list")
    add("--clients", default="subject", metavar="ARRAY", help="whose row it is (%(default)s)")
    add(
        "--holdout",
        type=number(0.0, 0.95),
        default=0.25,
        metavar="SHARE",
        help="share of the clients that nobody trains on (%(default)s)",
    )
    add("--rounds", type=whole(1, 100_000), default=20, metavar="N", help="(%(default)s)")
    add(
        "--local-epochs",
        type=whole(1, 10_000),
        default=3,
        metavar="E",
        help="epochs that a gateway trains in a round (%(default)s)",
    )
    add(
        "--learning-rate",
        type=number(1e-8, 1000),
        default=0.04,
        metavar="LR",
        help="of the first round (%(default)s)",
    )
    add(
        "--schedule",
        default="cosine",
        choices=("constant", "cosine"),
        help="of the learning rate over the rounds (%(default)s)",
    )
    add("--momentum", type=number(0, 0.9999), default=0.9, metavar="M", help="(%(default)s)")
    add(
        "--mu",
        type=number(0, 1000),
        default=0.0,
        help="weight of FedProx's proximal term (%(default)s)",
    )
    add(
        "--scaffold",
        action="store_true",
        help="control variates against the gateways' drift; for clients of similar size",
    )
    add(
        "--rotation-deg",
        type=number(0, 180),
        default=15.0,
        metavar="SD",
        help="turn training windows of motion sensors at random, by about so much (%(default)s)",
    )
    add(
        "--scaling",
        type=number(0, 1),
        default=0.1,
        metavar="SD",
        help="scale them at random, by about this share (%(default)s)",
    )
    add(
        "--server-momentum",
        type=number(0, 0.9999),
        default=0.6,
        metavar="M",
        help="share of the last version's step that the next one takes again (%(default)s)",
    )
    add(
        "--codec",
        default="default",
        metavar="CODEC",
        help="none, default or a chain as in docs/compression.md (%(default)s)",
    )
    add(
        "--model-codec",
        default="default",
        metavar="CODEC",
        help="likewise, of the steps from version to version; none: whole models (%(default)s)",
    )
    add(
        "--tiers",
        type=_tiers,
        default=(),
        metavar="TIER=SHARE,..",
        help="weaker gateways, such as head=0.5: half of them train the last layer alone",
    )
    add(
        "--link-codec",
        type=_link_codec,
        action="append",
        default=[],
        metavar="CLASS:SHARE:CODEC",
        help="so many gateways are behind links of a class that has a codec of its own, such as "
        "4g:0.5:residual|topk=0.01|sign|golomb; may be given again",
    )
    add(
        "--quiet",
        action="store_true",
        help="gateways say only what the aggregator needs, as with link.quiet",
    )
    add("--seed", type=whole(0, 2**40), default=0, metavar="S", help="(%(default)s)")
    add(
        "--processes",
        type=whole(1, 256),
        default=1,
        metavar="P",
        help="share the gateways out; the result is the same (%(default)s)",
    )
    add(
        "--baselines",
        action="store_true",
        help="score the majority class, each client alone, and all pooled, too",
    )
    add("--report", type=Path, metavar="FILE", help="write the report there, as JSON")
    add_rounds(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the simulation and print a line for each round."""
    from broker.aggregator.settings import LinkCodecSettings, TrainingSettings
    from broker.protocol.compression import DEFAULT_CODEC, DEFAULT_MODEL_CODEC
    from perfuse.simulation.run import SimulationOptions, simulate, write_report

    links = tuple(LinkCodecSettings(name, text) for name, _, text in options.link_codec)
    training = TrainingSettings(
        links=links,
        local_epochs=options.local_epochs,
        learning_rate=options.learning_rate,
        schedule=options.schedule,
        momentum=options.momentum,
        mu=options.mu,
        scaffold=options.scaffold,
        rotation_deg=options.rotation_deg,
        scaling=options.scaling,
        server_momentum=options.server_momentum,
        codec=DEFAULT_CODEC if options.codec == "default" else options.codec,
        model_codec=DEFAULT_MODEL_CODEC
        if options.model_codec == "default"
        else options.model_codec,
    )
    scheduling, timing = scheduling_of(options), timing_of(options)
    took = "  virtual s" if timing else ""
    print(f"{'version':>7}  {'reported':>8}  {'accuracy':>8}  {'macro-F1':>8}  "
          f"{'up KiB':>8}  {'down KiB':>8}  {'seconds':>7}{took}")  # fmt: skip
    report = simulate(
        SimulationOptions(
            data=options.data,
            model=options.model,
            clients=options.clients,
            holdout=options.holdout,
            rounds=options.rounds,
            training=training,
            seed=options.seed,
            processes=options.processes,
            with_baselines=options.baselines,
            tiers=options.tiers,
            scheduling=scheduling,
            timing=timing,
            links=tuple((name, share) for name, share, _ in options.link_codec),
            quiet=options.quiet,
        ),
        _say_row,
    )
    if "updates" in report:
        print(_what_happened(report["schedule"]["mode"], report["updates"]))
    for name, score in report.get("baselines", {}).items():
        print(f"{name:>17}  {_figures(score)}")
    if options.report is not None:
        write_report(report, options.report)
        print(f"report: {options.report}")
    return ExitCode.OK


def _say_row(row: dict[str, Any]) -> None:
    reported = f"{row['reported']}/{row['cohort']}"
    took = f"  {row['virtual_seconds']:>9.1f}" if "virtual_seconds" in row else ""
    said = [] if row["committed"] else ["abandoned"]
    said += [f"{row[name]} {name}" for name in ("late", "partial", "refused") if row[name]]
    state = f"  {', '.join(said)}" if said else ""
    print(
        f"{row['version']:>7}  {reported:>8}  {_figures(row)}  {row['uplink_bytes'] / 1024:>8.1f}  "
        f"{row['downlink_bytes'] / 1024:>8.1f}  {row['seconds']:>7.2f}{took}{state}",
        flush=True,
    )


def _what_happened(mode: str, updates: dict[str, int]) -> str:
    return (
        f"{mode}: {updates['rounds_committed']} rounds committed, "
        f"{updates['rounds_abandoned']} abandoned; {updates['folded']} updates folded, "
        f"{updates['late']} of them late, {updates['partial']} partial; "
        f"{updates['refused']} refused"
    )


def _tiers(text: str) -> tuple[tuple[str, float], ...]:
    """ "head=0.5,sparse=0.25" -> tiers and shares, which together are at most 1."""
    found = []
    for part in text.split(","):
        tier, _, share = part.partition("=")
        try:
            found.append((tier.strip(), float(share)))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is not like head=0.5") from None
    if not all(tier and 0 < share <= 1 for tier, share in found) or sum(s for _, s in found) > 1:
        raise argparse.ArgumentTypeError(f"{text!r}: shares are above 0 and together at most 1")
    return tuple(found)


def _link_codec(text: str) -> tuple[str, float, str]:
    """ "4g:0.5:q4" -> class of link, share of the gateways, codec."""
    name, _, rest = text.partition(":")
    share, _, codec = rest.partition(":")
    try:
        found = float(share)
    except ValueError:
        found = 0.0
    if not name or not codec or not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 4g:0.5:q4, a share above 0 to 1")
    return name, found, codec


def _figures(score: dict[str, Any]) -> str:
    """Accuracy and macro-F1; of tasks that have no macro-F1, what they have instead, by name."""
    for name in ("rmse", "iou", "reconstruction_error"):
        if name in score:
            return f"{name.partition('_')[0][:14]:>8}  {score[name]:>8.3f}"
    return f"{_figure(score['accuracy'])}  {_figure(score['macro_f1'])}"


def _figure(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:>8.3f}"
