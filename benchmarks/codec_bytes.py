"""How small each codec writes real deltas, beside zlib and the entropy of the same levels.

A gateway's delta is one subject's: three epochs on its recordings from the model's first
parameters. Positions and levels are coded by Golomb-Rice codes, or zlib packs what is written
without them; the entropy is that of independent symbols, which no code of single symbols can beat.

    python benchmarks/codec_bytes.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np

from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.compression.quantization import STEPS, Blocks, Grid, quantize
from models.artifact import load_artifact
from models.normalisation import ChannelSums
from models.trainable import TrainableModel
from perfuse.simulation.dataset import load_dataset

TASKS = (
    ("shoulder-cnn1d", "shoulder_watch_50hz.npz"),
    ("hmp-cnn1d", "hmp_wrist_32hz.npz"),
)
CHAINS = ("ternary", "q4", "q8", "topk=0.01|sign", "topk=0.05|sign", "topk=0.01|q4")
EPOCHS, RATE, MOMENTUM = 3, 0.04, 0.9


def trained_delta(model_name: str, path: Path) -> np.ndarray:
    """Return float32[P], what the first client's training changes."""
    artifact = load_artifact(model_name)
    dataset = load_dataset(path, "subject", artifact.spec)
    mine = dataset.of(dataset.clients[:1])
    x = ChannelSums.of(mine.x).normalisation().apply(mine.x)
    model, size = TrainableModel(artifact), artifact.spec.batch_size
    base = artifact.initial_parameters()
    model.restore(base)
    generator = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = generator.permutation(len(x))
        for start in range(0, len(x), size):
            batch = order[start : start + size]
            weight = np.ones(len(batch), np.float32)
            model.train_step(x[batch], mine.y[batch], weight, learning_rate=RATE, momentum=MOMENTUM)
    return model.parameters() - base


def entropy_bytes(body: np.ndarray, layout: Layout, grid: Grid) -> float:
    """Return the entropy of a dense grid's levels."""
    blocks = Blocks.cut(layout.edges, body.size, 256)
    levels = quantize(body, blocks, grid, np.random.default_rng(0))[1]
    share = np.bincount(levels, minlength=STEPS[grid] + 1) / body.size
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum() * body.size / 8)


def main() -> None:
    """Print a table for each task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    for model_name, file in TASKS:
        layout = Layout.of(load_artifact(model_name).spec.layout)
        delta, shared = trained_delta(model_name, options.data / file), Shared(layout)
        print(f"\n{model_name}: {layout.parameters} parameters, {4 * layout.parameters} bytes")
        print(f"{'':16}{'packed':>8}{'zlib':>8}{'golomb':>8}{'entropy':>9}{'factor':>8}")
        for text in CHAINS:
            sizes = []
            for chain in (text, f"{text}|golomb"):
                generator = np.random.default_rng(1)
                sizes.append(codec(chain).compress(delta, shared, generator).payload)
            grid = codec(text).chain.grid
            dense = codec(text).chain.top is None
            least = f"{entropy_bytes(delta[layout.body], layout, grid):.0f}" if dense else ""
            packed, golomb = map(len, sizes)
            print(
                f"{text:16}{packed:>8}{len(zlib.compress(sizes[0], 9)):>8}{golomb:>8}{least:>9}"
                f"{4 * layout.parameters / golomb:>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
