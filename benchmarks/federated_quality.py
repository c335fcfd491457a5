"""How close a federation comes to pooling the data, on recordings of unseen people and hospitals.

Types `perfuse simulate` for the recordings in a directory, three seeds each (the seed also draws
the held-out clients), and prints the held-out clients' score beside the same run's baselines.

    python benchmarks/federated_quality.py ../shared/data [MODEL ...]
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from perfuse.cli import main as perfuse

ROUNDS = 60
SEEDS = (0, 1, 2)
# file, client array, model, figure
TASKS = (
    ("shoulder_watch_50hz", "subject", "shoulder-cnn1d", "macro_f1"),
    ("hmp_wrist_32hz", "subject", "hmp-cnn1d", "macro_f1"),
    ("heart_4sites", "site", "heart-logistic", "accuracy"),
    ("heart_4sites", "site", "heart-svm", "accuracy"),
    ("heart_4sites", "site", "heart-mlp", "accuracy"),
)
COLUMNS = ("federated", "pooled", "local_only", "majority")


def main() -> None:
    directory = Path(sys.argv[1])
    wanted = set(sys.argv[2:])
    print(f"{ROUNDS} rounds, all other options as they are by default; held-out clients\n")
    print(f"{'model':<16} {'seed':>4} {'figure':<9}" + "".join(f"{c:>11}" for c in COLUMNS))
    for name, clients, model, figure in TASKS:
        if wanted and model not in wanted:
            continue
        rows = []
        for seed in SEEDS:
            rows.append(run(directory / f"{name}.npz", clients, model, figure, seed))
            show(model, str(seed), figure, rows[-1])
        show(model, "mean", figure, [sum(column) / len(rows) for column in zip(*rows, strict=True)])


def run(data: Path, clients: str, model: str, figure: str, seed: int) -> list[float]:
    """Return the figure of the federation and of each baseline."""
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        path = Path(folder) / "report.json"
        options = ["--data", data, "--clients", clients, "--model", model, "--rounds", ROUNDS]
        options += ["--baselines", "--seed", seed, "--report", path]
        if perfuse(["simulate", *(str(option) for option in options)]):
            raise SystemExit(f"{model}, seed {seed}: perfuse simulate failed")
        report = json.loads(path.read_text())
    scores = report["baselines"] | {"federated": report["final"]}
    return [scores[column][figure] for column in COLUMNS]


def show(model: str, seed: str, figure: str, row: list[float]) -> None:
    print(f"{model:<16} {seed:>4} {figure:<9}" + "".join(f"{v:>11.3f}" for v in row), flush=True)


if __name__ == "__main__":
    main()
