"""``perfuse soak``: federations with faults in virtual time, seed after seed."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands, whole
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from perfuse.soak.run import Outcome, SoakOptions

_DESCRIPTION = """\
Play whole federations in virtual time: the agents' and the aggregator's own code, with kills, power
cuts, cut links, a forgetful broker, full disks, jumping clocks, and late messages. Each seed
draws its own settings and faults. At every step it is checked that each folded update counts once,
that a receipt implies durability, that versions only grow, that nothing is lost, and that the
aggregator's memory is that of the model.
"""
_EPILOG = """\
A seed that fails is printed with the command that plays it again, exactly; the exit code is then 1.

perfuse soak --seeds 10000 --processes 4
"""
# Progress is said so often in a long run.
_LINES = 20


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "soak",
        help="look for lost or double-counted updates, in virtual time",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seeds", type=whole(1, 10**9), default=200, metavar="N", help="(%(default)s)")
    add("--first", type=whole(0, 2**40), default=0, metavar="S", help="(%(default)s)")
    add(
        "--processes",
        type=whole(1, 256),
        default=1,
        metavar="P",
        help="share the seeds out; the outcomes are the same (%(default)s)",
    )
    add("--gateways", type=whole(1, 4096), metavar="N", help="by default the seed decides")
    add("--rounds", type=whole(1, 10_000), metavar="N", help="together with --gateways")
    add("--digests", action="store_true", help="print a line for every seed")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play the seeds, and say what was found."""
    from perfuse.soak.run import SoakOptions, soak

    if (options.gateways is None) != (options.rounds is None):
        print("perfuse soak: --gateways and --rounds go together")
        return ExitCode.USAGE
    size = None if options.gateways is None else (options.gateways, options.rounds)
    asked = SoakOptions(options.first, options.seeds, options.processes, size)
    failed, counts = 0, Counter[str]()
    every = max(1, options.seeds // _LINES)
    for done, outcome in enumerate(soak(asked), 1):
        failed += outcome.finding is not None
        counts += Counter({} if outcome.played is None else outcome.played.counts)
        _say(outcome, asked, digests=options.digests)
        if done % every == 0 or done == options.seeds:
            print(f"{done} of {options.seeds} seeds, {failed} failed", flush=True)
    for name, count in sorted(counts.items()):
        print(f"  {name:<24} {count:>10}")
    return ExitCode.FAILED if failed else ExitCode.OK


def _say(outcome: Outcome, asked: SoakOptions, *, digests: bool) -> None:
    if outcome.played is not None:
        if digests:
            print(f"seed {outcome.seed}: {outcome.played.digest}")
        return
    found = outcome.finding
    assert found is not None
    print(f"seed {outcome.seed} failed at {found.at_s:.3f} virtual seconds: {found.invariant}")
    print(f"  {found.detail}")
    for happening in found.last:
        print(f"  {happening}")
    print(f"  again: {_again(outcome.seed, asked)}", flush=True)


def _again(seed: int, asked: SoakOptions) -> str:
    size = "" if asked.size is None else f" --gateways {asked.size[0]} --rounds {asked.size[1]}"
    return f"perfuse soak --seeds 1 --first {seed}{size}"
