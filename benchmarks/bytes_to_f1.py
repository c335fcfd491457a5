"""What each codec costs in bytes and in macro-F1 on unseen subjects, beside FedAvg through Flower.

Types `perfuse simulate --quiet` for each recording, codec and seed, and runs
`benchmarks/flower_fedavg.py` on the same splits, seeds, rounds and epochs in a virtual environment
that it makes when it is not there. Each run leaves a report in --reports and is not run again, so a
benchmark that was stopped goes on. Bytes are MQTT payloads of all gateways, the first round of
statistics included; Flower's are the serialised parameters alone. perfuse trains as it does by
default, with its server momentum; Flower's FedAvg has none, and the same local training.

    python benchmarks/bytes_to_f1.py --reports DIR [--tasks shoulder umafall] [--plot FILE.svg]

A codec may have a schedule of its own: CODEC@ROUNDSxEPOCHS.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f1_plot import Point, plot

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Task:
    """A recording, its model, the figure, what prepare_data.py makes of it first, the schedule."""

    file: str
    model: str
    figure: str
    prepared_as: str
    rounds: int
    epochs: int


TASKS = {
    "shoulder": Task("shoulder_watch_50hz.npz", "shoulder-cnn1d", "macro_f1", "", 20, 3),
    "hmp": Task("hmp_wrist_32hz.npz", "hmp-cnn1d", "macro_f1", "", 20, 3),
    "umafall": Task("umafall_20hz.npz", "umafall-cnn1d", "macro_f1", "umafall", 20, 3),
    "mitbih": Task("mitbih_beats_120hz.npz", "mitbih-cnn1d", "auc", "mitbih-ecg", 6, 1),
}
FLOWER = "flower"
CODECS = ("none", "q8", "residual=0.7|ternary=16384|golomb", "residual=0.7|topk=0.1|sign|golomb")
SEEDS = (0, 1, 2)
FLOWER_NEEDS = ("flwr==1.42.0", "ai-edge-litert", "cbor2==6.3.0", "cryptography", "pynacl",
                "tflite==2.18.0", "flatbuffers")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What is run once for each seed."""

    codec: str
    rounds: int
    epochs: int

    @classmethod
    def of(cls, text: str, task: Task) -> Row:
        """Read CODEC or CODEC@ROUNDSxEPOCHS."""
        codec, _, schedule = text.partition("@")
        rounds, _, epochs = (schedule or f"{task.rounds}x{task.epochs}").partition("x")
        return cls(codec, int(rounds), int(epochs))

    def __str__(self) -> str:
        return f"{self.codec} {self.rounds}x{self.epochs}"


def main() -> None:
    """Run what is missing, print the table, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--codecs", nargs="+", default=CODECS, metavar="CODEC[@ROUNDSxEPOCHS]")
    parser.add_argument("--flower-venv", type=Path, default=ROOT / ".venv-flower")
    parser.add_argument("--limit", type=float, default=3600.0, metavar="S", help="of one run")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    options.reports.mkdir(parents=True, exist_ok=True)
    points = [point for task in options.tasks for point in measure(options, task)]
    if options.plot:
        options.plot.write_text(plot(points, len(SEEDS)))


def measure(options: argparse.Namespace, name: str) -> list[Point]:
    """Run a task's rows; print and return what each costs and gives."""
    task = TASKS[name]
    data = prepared(options, task)
    print(f"\n{name}, {task.model}, mean of {len(SEEDS)} seeds, rounds x local epochs")
    print(f"{'':42}{'up/round':>10}{'down/round':>11}{'up total':>11}{'down total':>11}"
          f"{'x fewer':>8}{task.figure:>9}{'-Flower':>8}{'-none':>7}")  # fmt: skip
    rows = [Row.of(text, task) for text in (FLOWER, *options.codecs)]
    points: list[Point] = []
    for row in rows:
        reports = [report(options, name, data, seed, row) for seed in SEEDS]
        up, down = (mean([total(r, way) for r in reports]) for way in ("uplink", "downlink"))
        figure = mean([r["final"][task.figure] for r in reports])
        points.append(Point(name, str(row), points[0].up / up if points else 1.0, figure, up))
        none = next((p.figure for p in points if p.codec.startswith("none ")), None)
        against = f"{none - figure:>7.3f}" if none is not None else ""
        print(f"{row!s:42}{up / row.rounds:>10.0f}{down / row.rounds:>11.0f}"
              f"{up:>11.0f}{down:>11.0f}"
              f"{points[-1].factor:>8.1f}{figure:>9.3f}"
              f"{points[0].figure - figure:>8.3f}{against}", flush=True)  # fmt: skip
    return points


def report(
    options: argparse.Namespace, name: str, data: Path, seed: int, row: Row
) -> dict[str, Any]:
    """Return a run's report, running it when there is none."""
    codec = row.codec.replace("|", "_").replace("=", "-")
    path = options.reports / f"{name}.{codec}.{row.rounds}x{row.epochs}.s{seed}.json"
    if not path.exists():
        draft = path.with_suffix(".part")
        run(command(options, TASKS[name], data, seed, row, draft), options.limit, draft)
        draft.replace(path)  # whole or not at all
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def command(
    options: argparse.Namespace, task: Task, data: Path, seed: int, row: Row, path: Path
) -> list[str]:
    """Return the command that writes a run's report."""
    rounds, epochs = str(row.rounds), str(row.epochs)
    if row.codec == FLOWER:
        script = str(ROOT / "benchmarks/flower_fedavg.py")
        where = [str(data), task.model, str(seed), rounds, epochs, str(path)]
        return [flower(options.flower_venv, options.limit), script, *where]
    return [sys.executable, "-m", "perfuse", "simulate", "--data", str(data),
            "--model", task.model, "--seed", str(seed), "--rounds", rounds,
            "--local-epochs", epochs, "--quiet", "--codec", row.codec,
            "--report", str(path)]  # fmt: skip


def run(words: list[str], limit_s: float, result: Path) -> None:
    """Run a command that leaves a result, and say what it said should it fail."""
    # Flower would send statistics of its use, and wait at its end for a network that is not there.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FLWR_TELEMETRY_ENABLED": "0"}
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, env=environment, timeout=limit_s
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"{' '.join(words)}\ntook more than {limit_s:g} s and was ended")
    if done.returncode or not result.exists():
        # Flower ends with 0 where somebody ended it.
        ended = f"failed ({done.returncode})" if done.returncode else "left no result"
        sys.exit(f"{' '.join(words)}\n{ended}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def total(found: dict[str, Any], way: str) -> int:
    """Return the bytes of all rounds."""
    key = f"{way}_bytes"
    return int(found[key] if key in found else sum(row[key] for row in found["rounds"]))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def prepared(options: argparse.Namespace, task: Task) -> Path:
    """Return the recording as the model takes it."""
    source: Path = options.data / task.file
    if not task.prepared_as:
        return source
    out: Path = options.reports / f"{task.prepared_as}.npz"
    if not out.exists():
        script = str(ROOT / "benchmarks/prepare_data.py")
        words = [sys.executable, script, task.prepared_as, "--source", str(source)]
        run([*words, "--out", str(out)], options.limit, out)
    return out


def flower(venv: Path, limit_s: float) -> str:
    """Return the interpreter of Flower's environment, making that when it is not there."""
    python = venv / "bin/python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(venv)], limit_s, python)
        run([str(python), "-m", "pip", "install", "-q", *FLOWER_NEEDS], limit_s, python)
    return str(python)


if __name__ == "__main__":
    main()
