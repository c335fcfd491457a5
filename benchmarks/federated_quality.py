"""How close a federation comes to pooling the data, on recordings of unseen people and hospitals.

Runs `perfuse simulate` over the recordings in a directory, three seeds each (the seed also draws
the held-out clients), and prints the held-out clients' score beside the same run's baselines.

    python benchmarks/federated_quality.py ../shared/data
"""

from __future__ import annotations

import sys
from pathlib import Path

from broker.aggregator.settings import TrainingSettings
from perfuse.simulation.run import SimulationOptions, simulate

ROUNDS = 60
EPOCHS = 3
SEEDS = (0, 1, 2)
# file, clients, model, figure, learning rate, SCAFFOLD (for clients of similar size)
TASKS = (
    ("shoulder_watch_50hz", "subject", "shoulder-cnn1d", "macro_f1", 0.04, True),
    ("hmp_wrist_32hz", "subject", "hmp-cnn1d", "macro_f1", 0.03, False),
    ("heart_4sites", "site", "heart-logistic", "accuracy", 0.01, False),
    ("heart_4sites", "site", "heart-svm", "accuracy", 0.01, False),
    ("heart_4sites", "site", "heart-mlp", "accuracy", 0.01, False),
)
COLUMNS = ("federated", "pooled", "local_only", "majority")


def main() -> None:
    directory = Path(sys.argv[1])
    wanted = set(sys.argv[2:])
    print(f"{ROUNDS} rounds, {EPOCHS} local epochs, codec q8; held-out clients\n")
    print(f"{'model':<16} {'seed':>4} {'figure':<9}" + "".join(f"{c:>11}" for c in COLUMNS))
    for name, clients, model, figure, rate, scaffold in TASKS:
        if wanted and model not in wanted:
            continue
        rows = []
        for seed in SEEDS:
            rows.append(
                run(directory / f"{name}.npz", clients, model, figure, seed, rate, scaffold)
            )
            show(model, str(seed), figure, rows[-1])
        show(model, "mean", figure, [sum(column) / len(rows) for column in zip(*rows, strict=True)])


def run(
    data: Path, clients: str, model: str, figure: str, seed: int, rate: float, scaffold: bool
) -> list[float]:
    """Return the figure of the federation and of each baseline."""
    report = simulate(
        SimulationOptions(
            data=data,
            model=model,
            clients=clients,
            holdout=0.25,
            rounds=ROUNDS,
            cohort=0,
            training=TrainingSettings(local_epochs=EPOCHS, learning_rate=rate, scaffold=scaffold),
            seed=seed,
            processes=1,
            with_baselines=True,
        ),
        lambda row: None,
    )
    scores = report["baselines"] | {"federated": report["final"]}
    return [scores[column][figure] for column in COLUMNS]


def show(model: str, seed: str, figure: str, row: list[float]) -> None:
    print(f"{model:<16} {seed:>4} {figure:<9}" + "".join(f"{v:>11.3f}" for v in row), flush=True)


if __name__ == "__main__":
    main()
