"""Options of ``perfuse simulate`` that say how rounds go and what takes how long."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perfuse.commands.link import profile_name
from perfuse.commands.options import number, whole

if TYPE_CHECKING:
    from perfuse.simulation.scheduling import Scheduling, Timing

# Any of these means that time matters.
_TIMED = (
    "link",
    "step_ms",
    "over_selection",
    "buffer",
    "staleness_cap",
    "deadline",
    "min_gateways",
    "min_reports",
)


def add_rounds(parser: argparse.ArgumentParser) -> None:
    """Add the options of the scheduler, and those of links."""
    parser.add_argument(
        "--cohort",
        type=whole(0, 20_000),
        default=0,
        metavar="K",
        help="gateways in a round; 0 is all of them (%(default)s)",
    )
    group = parser.add_argument_group(
        "virtual time",
        "Any of these has gateways take time to work, each behind a link of its own: a perfect\n"
        "one without --link. Rounds are as the aggregator's [rounds] has them: synchronous;\n"
        "semi-synchronous with --staleness-cap; asynchronous with --buffer. The report says what\n"
        "each round took in seconds and on the wire, and how many updates were late.",
    )
    add = group.add_argument
    add("--link", type=profile_name, metavar="PROFILE", help="see: perfuse link list")
    add(
        "--step-ms",
        type=number(0, 1e6),
        metavar="MS",
        help="a training step on a gateway; the default is shoulder-cnn1d's on one core of an x86 "
        "server (6)",
    )
    add(
        "--over-selection",
        type=number(0, 10),
        metavar="SHARE",
        help="ask so many gateways more than --cohort, and commit when as many as that have "
        "reported",
    )
    add(
        "--buffer",
        type=whole(1, 20_000),
        metavar="K",
        help="commit when K updates are in, of this plan or of earlier ones; who has reported gets "
        "a further plan at once",
    )
    add(
        "--staleness-cap",
        type=whole(0, 1000),
        metavar="V",
        help="an update still counts when at most V versions were committed since its base (0)",
    )
    add(
        "--staleness-power",
        "--staleness-exponent",
        type=number(0, 10),
        metavar="A",
        help="and then with weight (1 + versions)^-A (0.5)",
    )
    add(
        "--deadline",
        type=number(1, 30 * 86400),
        metavar="S",
        help="how long a round may take (600)",
    )
    add(
        "--min-gateways",
        type=whole(0, 20_000),
        metavar="N",
        help="gateways to wait for before a round; by default three quarters of those that the "
        "profile lets be there on average, all of them where it is never down",
    )
    add(
        "--min-reports",
        type=whole(0, 20_000),
        metavar="N",
        help="updates without which a round is abandoned at its deadline; by default half of the "
        "gateways that it waits for, all of them where the link is never down and no --deadline "
        "is given",
    )


def scheduling_of(options: argparse.Namespace) -> Scheduling:
    """Return the scheduler's knobs.

    Raises:
        OptionError: they do not go together.
    """
    from perfuse.simulation.scheduling import Scheduling

    return Scheduling(
        cohort=options.cohort,
        buffer=options.buffer or 0,
        staleness_cap=options.staleness_cap or 0,
        staleness_power=options.staleness_power,
        over_selection=options.over_selection or 0.0,
        deadline_s=options.deadline,
        min_gateways=options.min_gateways or 0,
        min_reports=options.min_reports or 0,
    )


def timing_of(options: argparse.Namespace) -> Timing | None:
    """Return what takes how long; ``None`` where nothing was said of it."""
    from perfuse.simulation.scheduling import STEP_MS, Timing

    if all(getattr(options, name) is None for name in _TIMED):
        return None
    return Timing(STEP_MS if options.step_ms is None else options.step_ms, options.link)
