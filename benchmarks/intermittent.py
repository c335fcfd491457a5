"""perfuse against Flower behind links that come and go, with both killed on the way.

Real processes on this machine: each client behind a seeded link of its own (`perfuse link`), the
same data, model, local training, links and kills for both sides. For each profile: rounds and bytes
to a target macro-F1 on people who do not train, and the share of the contributions asked for that
were folded. docs/intermittent.md says what was chosen and why.

    python -m benchmarks.intermittent ../shared/data [--profiles wifi,3g] [--report FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.intermittent_flower import FlowerSide, make_environment
from benchmarks.intermittent_perfuse import PerfuseSide
from benchmarks.intermittent_run import Outcome, Setup
from benchmarks.intermittent_task import Task
from benchmarks.intermittent_troupe import kills
from perfuse.link.profiles import PROFILES

_DEFAULT = "wifi,3g,ambulance,ward-vpn,up-10-percent"
_ROUNDS = 60
_KILLS = 2
_HEAD = (
    f"{'profile':<14} {'side':<8} {'target':>7} {'rounds':>6} {'seconds':>8} {'up KiB':>8} "
    f"{'down KiB':>9} {'folded':>9}  notes"
)


def main() -> None:
    options = _options()
    make_environment(options.flower_venv)
    results = []
    print(_HEAD)
    for profile in options.profiles.split(","):
        for side in ("perfuse", "flower"):
            with tempfile.TemporaryDirectory() as temporary:
                directory = (options.keep or Path(temporary)) / f"{profile}-{side}"
                directory.mkdir(parents=True)
                outcome = _run(options, profile, side, directory)
            print(_line(profile, side, outcome), flush=True)
            results.append({"profile": profile, "side": side} | asdict(outcome))
            if options.report is not None:
                options.report.write_text(json.dumps(results, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add = parser.add_argument
    add("data", type=Path, help="directory with shoulder_watch_50hz.npz")
    add("--profiles", default=_DEFAULT, help="(%(default)s)")
    add("--clients", type=int, default=4, help="(%(default)s)")
    add("--seed", type=int, default=1, help="of training, links and kills (%(default)s)")
    add("--speed", type=float, default=10.0, help="the links' seconds in a real one (%(default)s)")
    add("--target", type=float, default=0.7, help="macro-F1 (%(default)s)")
    add("--limit", type=float, default=300.0, help="real seconds of a run (%(default)s)")
    add("--flower-venv", type=Path, default=Path(".venv-flower"), help="made if not there")
    add("--keep", type=Path, metavar="DIR", help="keep each run's logs and state there")
    add("--report", type=Path, help="write the outcomes there, as JSON")
    return parser.parse_args()


def _run(options: argparse.Namespace, profile: str, side: str, directory: Path) -> Outcome:
    data = (options.data / "shoulder_watch_50hz.npz").resolve()
    setup = Setup(
        Task(str(data), options.clients, options.seed),
        PROFILES[profile],
        options.speed,
        options.target,
        options.limit,
        _ROUNDS,
        kills(options.seed, options.clients, _KILLS),
        directory,
    )
    made = PerfuseSide(setup) if side == "perfuse" else FlowerSide(setup, options.flower_venv)
    return asyncio.run(made.run())


def _line(profile: str, side: str, found: Outcome) -> str:
    rounds = sum(row.number > 0 for row in found.rows)
    best = max((row.macro_f1 for row in found.rows), default=0.0)
    reached = "reached" if found.reached else f"{best:.3f}"
    share = f"{found.folded}/{found.asked}"
    killed = [kill.who for kill in found.killed]
    notes = [*found.notes, f"killed: {', '.join(killed) or 'nobody'}"]
    return (
        f"{profile:<14} {side:<8} {reached:>7} {rounds:>6} {found.seconds:>8.0f} "
        f"{found.uplink_bytes / 1024:>8.0f} {found.downlink_bytes / 1024:>9.0f} {share:>9}  "
        f"{'; '.join(notes)}"
    )


if __name__ == "__main__":
    main()
