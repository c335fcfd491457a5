"""What each codec costs in bytes and in macro-F1 on unseen subjects, beside FedAvg through Flower.

Types `perfuse simulate --quiet` for each recording, codec and seed, and runs
`benchmarks/flower_fedavg.py` on the same splits in a virtual environment that it makes when it is
not there. Each run leaves a report in --reports and is not run again; the table and the plot are of
the reports that are there, three seeds or fewer. Bytes are MQTT payloads of all gateways, the first
round of statistics included; Flower's are the serialised parameters alone.

    python benchmarks/bytes_to_f1.py --reports DIR [--tasks shoulder umafall] [--plot FILE.svg]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# name, recording, model, figure, what prepare_data.py makes of it first
TASKS = {
    "shoulder": ("shoulder_watch_50hz.npz", "shoulder-cnn1d", "macro_f1", ""),
    "hmp": ("hmp_wrist_32hz.npz", "hmp-cnn1d", "macro_f1", ""),
    "umafall": ("umafall_20hz.npz", "umafall-cnn1d", "macro_f1", "umafall"),
    "mitbih": ("mitbih_beats_120hz.npz", "mitbih-cnn1d", "auc", "mitbih-ecg"),
}
CODECS = ("none", "residual|ternary|golomb", "residual|topk=0.05|sign|golomb")
SEEDS, EPOCHS = (0, 1, 2), 3
FLOWER = "flower"
FLOWER_NEEDS = ("flwr==1.42.0", "ai-edge-litert", "cbor2==6.3.0", "cryptography",
                "tflite==2.18.0", "flatbuffers")  # fmt: skip
WIDTH, HEIGHT, MARGIN = 640, 360, 60
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")


def main() -> None:
    """Run what is missing, print the table, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--reports", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--codecs", nargs="+", default=CODECS)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--flower-venv", type=Path, default=ROOT / ".venv-flower")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    options.reports.mkdir(parents=True, exist_ok=True)
    points = [point for task in options.tasks for point in measure(options, task)]
    if options.plot:
        options.plot.write_text(plot(points))


def measure(options: argparse.Namespace, task: str) -> list[tuple[str, str, float, float]]:
    """Return task, codec, mean uplink bytes and mean figure; print a row of each codec."""
    file, model, figure, kind = TASKS[task]
    data = prepared(options, file, kind)
    print(f"\n{task}, {model}, {options.rounds} rounds of {EPOCHS} epochs, mean of {len(SEEDS)}")
    print(f"{'':34}{'up/round':>10}{'down/round':>11}{'up total':>11}{'down total':>11}"
          f"{'x fewer':>8}{figure:>9}{'loss':>7}")  # fmt: skip
    points: list[tuple[str, str, float, float]] = []
    for codec in (FLOWER, *options.codecs):
        reports = [report(options, task, data, model, seed, codec) for seed in SEEDS]
        up, down = (mean([total(r, way) for r in reports]) for way in ("uplink", "downlink"))
        points.append((task, codec, up, mean([r["final"][figure] for r in reports])))
        first = points[0]
        rounds = options.rounds
        print(f"{codec:34}{up / rounds:>10.0f}{down / rounds:>11.0f}{up:>11.0f}{down:>11.0f}"
              f"{first[2] / up:>8.1f}{points[-1][3]:>9.3f}"
              f"{first[3] - points[-1][3]:>7.3f}", flush=True)  # fmt: skip
    return points


def report(
    options: argparse.Namespace, task: str, data: Path, model: str, seed: int, codec: str
) -> dict[str, Any]:
    """Return a run's report, running it when there is none."""
    path = options.reports / f"{task}.s{seed}.{codec.replace('|', '_').replace('=', '-')}.json"
    if not path.exists():
        where = [str(data), model, str(seed), str(options.rounds)]
        command = [sys.executable, "-m", "perfuse", "simulate", "--data", where[0],
                   "--model", model, "--seed", where[2], "--rounds", where[3],
                   "--local-epochs", str(EPOCHS),
                   "--quiet", "--codec", codec, "--report", str(path)]  # fmt: skip
        if codec == FLOWER:
            script = str(ROOT / "benchmarks/flower_fedavg.py")
            command = [flower(options.flower_venv), script, *where, str(EPOCHS), str(path)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, capture_output=True, env=environment)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def total(found: dict[str, Any], way: str) -> int:
    """Return the bytes of all rounds."""
    key = f"{way}_bytes"
    return int(found[key] if key in found else sum(row[key] for row in found["rounds"]))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def prepared(options: argparse.Namespace, file: str, kind: str) -> Path:
    """Return the recording as the model takes it."""
    source: Path = options.data / file
    if not kind:
        return source
    out: Path = options.reports / f"{kind}.npz"
    if not out.exists():
        script = str(ROOT / "benchmarks/prepare_data.py")
        command = [sys.executable, script, kind, "--source", str(source), "--out", str(out)]
        subprocess.run(command, check=True)
    return out


def flower(venv: Path) -> str:
    """Return the interpreter of Flower's environment, making that when it is not there."""
    python = venv / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *FLOWER_NEEDS], check=True)
    return str(python)


def plot(points: list[tuple[str, str, float, float]]) -> str:
    """Draw the figure over the uplink as a share of Flower's, in powers of ten."""
    import math

    base = {task: up for task, codec, up, _ in points if codec == FLOWER}
    low = min(figure for *_, figure in points) - 0.02
    high = max(figure for *_, figure in points) + 0.02
    marks = []
    for task, codec, up, figure in points:
        factor = math.log10(base[task] / up)
        x = MARGIN + (factor + 0.1) / 2.6 * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (figure - low) / (high - low) * (HEIGHT - 2 * MARGIN)
        colour = COLOURS[list(base).index(task)]
        marks.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="{colour}"/>'
                     f'<text x="{x + 6:.0f}" y="{y - 5:.0f}" fill="{colour}">{task} {codec}: '
                     f"{figure:.3f}</text>")  # fmt: skip
    for power in (0, 1, 2):
        x = MARGIN + (power + 0.1) / 2.6 * (WIDTH - 2 * MARGIN)
        marks.append(f'<text x="{x:.0f}" y="{HEIGHT - 35}">{10**power}x</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="10"><rect width="100%" height="100%" fill="white"/>'
        f'<text x="{MARGIN}" y="20">figure on unseen subjects, mean of {len(SEEDS)} seeds</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - 12}">uplink, times fewer bytes than Flower</text>'
        + "".join(marks)
        + "</svg>\n"
    )


if __name__ == "__main__":
    main()
