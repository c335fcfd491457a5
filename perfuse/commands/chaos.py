"""``perfuse chaos``: every fault in every phase of a round, on real processes."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands, whole
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from perfuse.chaos.cells import Outcome

_DESCRIPTION = """\
Run an aggregator, two gateways and a broker on this machine, and harm them in every phase of a
round: SIGKILL of each, a cut link, a full disk, a clock that jumps by a day. Prints, for each fault
in each phase, updates lost / updates counted twice / rounds lost, and the seconds to recover.
Filling a disk needs root.
"""

_EPILOG = "perfuse chaos --kills 1000 --report chaos.json"


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "chaos",
        help="try what faults cost, on real processes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--fault",
        action="append",
        type=_fault,
        metavar="NAME",
        help="only this one, such as 'kill gateway'; may be given again",
    )
    add(
        "--kills",
        type=whole(1, 10**6),
        default=1,
        metavar="N",
        help="go on through the matrix until so many processes were killed (once through it)",
    )
    add("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N", help="of the order (0)")
    add("--broker", choices=("mosquitto", "amqtt"), default="", help="(mosquitto, if installed)")
    add("--out", type=Path, metavar="DIR", help="keep the processes' logs there")
    add("--report", type=Path, metavar="FILE", help="write the result there, as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the matrix; the exit code says whether everything was 0."""
    from perfuse.chaos.cells import Fault, table
    from perfuse.chaos.ordeal import Ordeal
    from perfuse.chaos.plan import impossible, schedule
    from perfuse.chaos.report import as_json, totals
    from perfuse.service import run_unless_terminated

    left_out = {fault: why for fault, why in impossible().items() if fault in _wanted(options)}
    for fault, why in left_out.items():
        print(f"left out: {fault}: {why}")
    faults = [fault for fault in Fault if fault in _wanted(options) and fault not in left_out]
    if not faults:
        return ExitCode.UNAVAILABLE
    cells = schedule(faults, options.kills, options.seed)
    print(f"{len(cells)} faults, one a round; lost / counted twice / rounds lost\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="perfuse-chaos-") as temporary:
        directory = options.out or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        ordeal = Ordeal(directory, _say, options.broker)
        outcomes = run_unless_terminated(ordeal.run(cells))
    sums = totals(outcomes)
    print(f"\n{table(outcomes)}\n")
    for outcome in outcomes:
        for seen in outcome.evidence:
            print(f"{outcome.cell.fault} in {outcome.cell.phase}: {seen}")
    print(
        f"{len(outcomes)} faults with {ordeal.kills} SIGKILLs: {sums['lost']} updates lost, "
        f"{sums['double']} counted twice, {sums['lost_rounds']} rounds lost, "
        f"{sums['flawed']} that did not recover"
    )
    if options.report:
        report = as_json(
            outcomes,
            seed=options.seed,
            broker=ordeal.broker,
            kills=ordeal.kills,
            left_out={str(fault): why for fault, why in left_out.items()},
        )
        options.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return ExitCode.OK if not any(sums.values()) else ExitCode.FAILED


def _say(outcome: Outcome) -> None:
    cell = outcome.cell
    lost = f"{outcome.lost}/{outcome.double}/{outcome.lost_rounds}"
    line = f"{cell.fault:<16} {cell.phase:<10} {lost:>7} {outcome.recovery_s:6.1f} s"
    print(f"{line}  {outcome.note}".rstrip(), flush=True)


def _wanted(options: argparse.Namespace) -> list[str]:
    from perfuse.chaos.cells import Fault

    return options.fault or list(Fault)


def _fault(text: str) -> str:
    from perfuse.chaos.cells import Fault

    try:
        return Fault(text)
    except ValueError:
        names = ", ".join(repr(str(fault)) for fault in Fault)
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {names}") from None
