"""perfuse against Flower behind links that come and go, with both killed on the way.

Real processes on this machine: each client behind a seeded link of its own (`perfuse link`), the
same data, model, local training, links and kills for both sides. For each profile: rounds and bytes
to a target macro-F1 on people who do not train, and the share of the contributions asked for that
were folded. docs/intermittent.md says what was chosen and why. Each run leaves its outcome in
--results and is not run again, so a benchmark that was stopped goes on.

    python -m benchmarks.intermittent ../shared/data --results DIR [--profiles wifi,3g]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.intermittent_flower import FlowerSide, make_environment
from benchmarks.intermittent_perfuse import PerfuseSide
from benchmarks.intermittent_run import Outcome, Setup
from benchmarks.intermittent_task import Task
from benchmarks.intermittent_troupe import kills
from perfuse.link.profiles import PROFILES

_SIDES = ("perfuse", "flower")
_ROUNDS = 8
_KILLS = 2
# The links' seconds in a real one: so that what a profile is about falls into a run.
_SPEED = 10.0
_SPEEDS = {"ward-vpn": 60.0}
_HEAD = (
    f"{'profile':<14} {'side':<8} {'ended':>5} {'target: rounds':>14} {'seconds':>8} {'up KiB':>7} "
    f"{'down KiB':>8} | {'all: rounds':>11} {'seconds':>8} {'up KiB':>7} {'down KiB':>8} "
    f"{'best F1':>7} {'folded':>9}"
)


def main() -> None:
    """Run what is missing, and print a line a run as it ends."""
    options = _options()
    make_environment(options.flower_venv)
    options.results.mkdir(parents=True, exist_ok=True)
    print(_HEAD)
    for profile in options.profiles.split(","):
        for side in _SIDES:
            path = options.results / f"{profile}-{side}.json"
            if not path.exists():
                _keep(path, _outcome(options, profile, side))
            found = json.loads(path.read_text())
            if found["settings"] != _settings(options, profile):
                sys.exit(f"{path}: of other settings, {found['settings']}: take another --results")
            print(_line(found), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    add = parser.add_argument
    add("data", type=Path, help="directory with shoulder_watch_50hz.npz")
    add("--results", type=Path, required=True, help="an outcome a run, as JSON")
    add("--profiles", default=",".join(PROFILES), help="(%(default)s)")
    add("--clients", type=int, default=4, help="(%(default)s)")
    add("--seed", type=int, default=1, help="of training, links and kills (%(default)s)")
    add("--target", type=float, default=0.7, help="macro-F1 (%(default)s)")
    add("--limit", type=float, default=300.0, help="real seconds of a run (%(default)s)")
    add("--flower-venv", type=Path, default=Path(".venv-flower"), help="made if not there")
    add("--keep", type=Path, metavar="DIR", help="keep each run's logs and state there")
    options = parser.parse_args()
    for profile in options.profiles.split(","):
        if profile not in PROFILES:
            parser.error(f"--profiles: {profile}: not one of {', '.join(PROFILES)}")
    return options


def _settings(options: argparse.Namespace, profile: str) -> dict[str, Any]:
    """Return what a run's outcome depends on, links and code apart."""
    return {
        "clients": options.clients,
        "seed": options.seed,
        "target": options.target,
        "limit_s": options.limit,
        "rounds": _ROUNDS,
        "speed": _SPEEDS.get(profile, _SPEED),
    }


def _keep(path: Path, found: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found, indent=1))
    part.replace(path)


def _outcome(options: argparse.Namespace, profile: str, side: str) -> dict[str, Any]:
    with _directory(options.keep, f"{profile}-{side}") as directory:
        setup = Setup(
            Task(str((options.data / "shoulder_watch_50hz.npz").resolve()), options.clients,
                 options.seed),
            PROFILES[profile],
            _SPEEDS.get(profile, _SPEED),
            options.target,
            options.limit,
            _ROUNDS,
            kills(options.seed, options.clients, _KILLS),
            directory,
        )  # fmt: skip
        load = os.getloadavg()[0]
        made = PerfuseSide(setup) if side == "perfuse" else FlowerSide(setup, options.flower_venv)
        try:
            outcome = asyncio.run(_until_asked_to_stop(made))
        except (asyncio.CancelledError, KeyboardInterrupt):
            sys.exit(f"{profile}, {side}: stopped; what has ended is in {options.results}")
    said = asdict(outcome) | {"folded": outcome.folded, "ended": len(outcome.rows) >= _ROUNDS}
    head = {"profile": profile, "side": side, "settings": _settings(options, profile)}
    return head | {"load_before": load} | said


@contextlib.contextmanager
def _directory(keep: Path | None, name: str) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        kept = keep / name
        if kept.exists():  # of a run that was stopped
            shutil.rmtree(kept)
        kept.mkdir(parents=True)
        yield kept


async def _until_asked_to_stop(side: PerfuseSide | FlowerSide) -> Outcome:
    """Run a side; SIGTERM ends it as Ctrl-C does, with all that it has started."""
    running = asyncio.create_task(side.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


def _line(found: dict[str, Any]) -> str:
    rows, reached = found["rows"], found["reached"]
    best = max((row["macro_f1"] for row in rows), default=0.0)
    target = _spent(reached, 14) if reached else f"{'never':>14} {'':>8} {'':>7} {'':>8}"
    whole = _spent(found | {"rounds": len(rows)}, 11)
    share = f"{found['folded']}/{found['asked']}"
    ended = "yes" if found["ended"] else "no"
    notes = "; ".join(
        [*found["notes"], *(f"{who} killed at {when:.0f} s" for who, when in found["killed"])]
    )
    return (
        f"{found['profile']:<14} {found['side']:<8} {ended:>5} {target} | {whole} {best:>7.3f} "
        f"{share:>9}  {notes}"
    )


def _spent(of: dict[str, Any], width: int) -> str:
    return (
        f"{of['rounds']:>{width}} {of['seconds']:>8.0f} {of['uplink_bytes'] / 1024:>7.0f} "
        f"{of['downlink_bytes'] / 1024:>8.0f}"
    )


if __name__ == "__main__":
    main()
