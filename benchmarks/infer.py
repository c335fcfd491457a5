"""Int8 inference of every shipped model against its float path: quality, latency, size.

    python benchmarks/infer.py [--data DIR] [--digits WHEEL] [--models A,B] [--seeds 0]

Each model is trained on real recordings, pooled over the training subjects, and scored on subjects
that it has not seen: by the float path (the training graph's `infer`, fake-quantized), and by the
rewritten int8 graph. MIT-BIH is split DS1 -> DS2, hearts by hospital, all else a quarter of the
subjects. Latency is of one example, the median of many, of the fastest seed; size is the graph's
file. "Loses" is what int8 loses of the score, on average over the seeds and at worst; the aim is at
most .005 (for RMSE and errors, of their value).
Models whose recordings are not at hand are left out with a word.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from models.artifact import Artifact, load_artifact, zoo_names
from models.int8 import Int8Model, rewrite
from models.normalisation import ChannelSums
from models.spec import CLASSIFICATION, REGRESSION, SEGMENTATION
from models.trainable import TrainableModel
from models.truth import normalised_truth
from perfuse.simulation.preparation import DS2, Prepared, beats, digits, falls, glucose, shapes
from perfuse.simulation.scoring import Score, score_output

DATA = Path(__file__).parents[1].parent / "shared" / "data"
# Passes over the training subjects, and the most examples in one; the rate falls by a cosine.
EPOCHS = {"mitbih": 6, "glucose": 8, "digits": 30, "shapes": 25, "umafall": 60, "heart": 40}
USUAL_EPOCHS = 30
MOST_EXAMPLES = 24_000
RATES = {
    "heart": 0.01,
    "mitbih-tcn": 0.002,
    "mitbih": 0.01,
    "glucose": 0.01,
    "shapes": 0.05,
    "digits": 0.05,
}


@dataclass(frozen=True)
class Row:
    """What one model's seed gave."""

    score: Score
    by_int8: Score
    float_ms: float
    int8_ms: float
    graph_bytes: int
    int8_bytes: int


def main() -> None:
    """Print a line a model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--digits", type=Path, help="a scikit-learn wheel, or where it is installed"
    )
    parser.add_argument("--models", default=",".join(zoo_names()))
    parser.add_argument("--seeds", default="0", help="such as 0,1,2")
    options = parser.parse_args()
    print(f"{'model':<22} {'score':<28} {'float':>8} {'int8':>8} {'loses':>7} {'worst':>7}"
          f" {'float ms':>9} {'int8 ms':>8} {'float KB':>9} {'int8 KB':>8}")  # fmt: skip
    for name in options.models.split(","):
        artifact = load_artifact(name)
        try:
            data = recordings(name, options.data, options.digits)
        except FileNotFoundError as error:
            print(f"{name:<22} left out: {error}")
            continue
        rows = [measured(artifact, data, int(seed)) for seed in options.seeds.split(",")]
        for line in lines(name, rows):
            print(line, flush=True)


def recordings(name: str, folder: Path, wheel: Path | None) -> Prepared:
    """The recordings of a shipped model, all subjects."""
    kind = name.partition("-")[0]
    if kind == "shapes":
        return shapes(np.random.default_rng(0), 800)
    if kind == "digits":
        found = find_spec("sklearn")
        if wheel is None and (found is None or found.origin is None):
            raise FileNotFoundError("no scikit-learn is installed, and no --digits given")
        return digits(wheel or Path(found.origin).parents[1])
    if kind == "mitbih":
        return beats(folder / "mitbih_beats_120hz.npz", rhythm=name == "mitbih-tcn")
    if kind == "glucose":
        return glucose(folder / "cgm_glucose.npz")
    if kind == "umafall":
        return falls(folder / "umafall_20hz.npz")
    files = {
        "shoulder": "shoulder_watch_50hz.npz",
        "hmp": "hmp_wrist_32hz.npz",
        "heart": "heart_4sites.npz",
    }
    with np.load(folder / files[kind]) as arrays:
        owner = arrays["site" if kind == "heart" else "subject"]
        x, y = arrays["x"].astype(np.float32), arrays["y"].astype(np.int64)
    _, subject = np.unique(owner, return_inverse=True)
    return Prepared(x, y, subject)


def measured(artifact: Artifact, data: Prepared, seed: int) -> Row:
    """Train on some subjects, and score both paths on the others."""
    spec, kind = artifact.spec, artifact.spec.name.partition("-")[0]
    generator = np.random.default_rng(seed)
    heldout = DS2 if kind == "mitbih" else drawn(generator, np.unique(data.subject))
    unseen = np.isin(data.subject, heldout)
    order = generator.permutation(np.flatnonzero(~unseen))[:MOST_EXAMPLES]
    known = ChannelSums.of(data.x[order]).normalisation()
    x, y = known.apply(data.x[order]), normalised_truth(spec, known, data.y[order])
    model = TrainableModel(artifact)
    fit(
        model,
        x,
        y,
        EPOCHS.get(kind, USUAL_EPOCHS),
        RATES.get(spec.name, RATES.get(kind, 0.03)),
        generator,
    )
    graph = rewrite(artifact, model.parameters())
    quick = Int8Model(graph, spec)
    there, truth = known.apply(data.x[unseen]), data.y[unseen]
    scores = [score_output(spec, known, there, m.infer(there), truth) for m in (model, quick)]
    one = there[:1]
    return Row(
        *scores,
        milliseconds(lambda: model.infer(one)),
        milliseconds(lambda: quick.infer(one)),
        artifact.train_path.stat().st_size,
        len(graph),
    )


def drawn(generator: np.random.Generator, subjects: Any) -> Any:
    """A quarter of the subjects."""
    return generator.permutation(subjects)[: max(1, round(len(subjects) / 4))]


def fit(
    model: TrainableModel, x: Any, y: Any, epochs: int, rate: float, generator: np.random.Generator
) -> None:
    """Momentum .9, and a rate that falls by a cosine."""
    size = model.spec.batch_size
    for epoch in range(epochs):
        now = rate * (0.05 + 0.95 * (1 + np.cos(np.pi * epoch / max(epochs - 1, 1))) / 2)
        order = generator.permutation(len(x))
        for start in range(0, len(x), size):
            batch = order[start : start + size]
            weight = np.ones(len(batch), np.float32)
            model.train_step(x[batch], y[batch], weight, learning_rate=now, momentum=0.9)


def milliseconds(call: Any, times: int = 200) -> float:
    """The median of many calls."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return 1e3 * float(np.median(took))


def lines(name: str, rows: list[Row]) -> list[str]:
    """A line for every figure that the task has: means over the seeds."""
    found = []
    for figure in figures(load_artifact(name)):
        pairs = [(getattr(r.score, figure), getattr(r.by_int8, figure)) for r in rows]
        pairs = [pair for pair in pairs if pair[0] is not None]
        if not pairs:
            continue
        by_float, by_int8 = np.transpose(pairs)
        error = figure in ("rmse", "reconstruction_error")
        loses = (by_int8 - by_float) / by_float if error else by_float - by_int8
        r = rows[0]
        float_ms, int8_ms = (min(getattr(r, n) for r in rows) for n in ("float_ms", "int8_ms"))
        found.append(
            f"{name:<22} {figure:<28} {by_float.mean():>8.3f} {by_int8.mean():>8.3f}"
            f" {loses.mean():>7.4f} {loses.max():>7.4f}"
            f" {float_ms:>9.3f} {int8_ms:>8.3f} {r.graph_bytes / 1e3:>9.1f}"
            f" {r.int8_bytes / 1e3:>8.1f}"
        )
    return found


def figures(artifact: Artifact) -> tuple[str, ...]:
    """What the task is scored by."""
    return {
        CLASSIFICATION: ("accuracy", "macro_f1", "auc"),
        REGRESSION: ("rmse",),
        SEGMENTATION: ("accuracy", "iou"),
    }.get(artifact.spec.task, ("reconstruction_error",))


if __name__ == "__main__":
    main()
