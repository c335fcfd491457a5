"""How small each codec writes real deltas, beside general coders and the entropy of the levels.

A gateway's delta is one subject's: three epochs on its recordings from the model's first
parameters. Positions and levels are coded by Golomb-Rice codes, or zlib and zstd pack what is
written without them, or constriction's range coder takes the same symbols: levels by their
frequencies, which it has to be told, positions as a flag a parameter by the share that the chain
names. The entropy is that of independent symbols, which no code of single symbols can beat.

    pip install zstandard constriction
    python benchmarks/codec_bytes.py [--data ../shared/data]
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import constriction  # type: ignore[import-not-found, unused-ignore]
import numpy as np
import zstandard  # type: ignore[import-not-found, unused-ignore]

from broker.protocol.compression import Layout, Shared, codec
from broker.protocol.compression.bits import packed_bytes
from broker.protocol.compression.quantization import STEPS, WIDTH, Blocks, Grid, quantize
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
BLOCK = 256


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


def dense_levels(body: np.ndarray, layout: Layout, grid: Grid) -> np.ndarray:
    """Return a dense grid's levels, int[n]."""
    blocks = Blocks.cut(layout.edges, body.size, BLOCK)
    return quantize(body, blocks, grid, np.random.default_rng(0))[1]


def entropy_bytes(levels: np.ndarray) -> float:
    """Return the entropy of levels as independent symbols."""
    share = np.bincount(levels) / levels.size
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum() * levels.size / 8)


def range_coded_bytes(symbols: np.ndarray, counts: np.ndarray) -> int:
    """Return what constriction's range coder makes of symbols with these frequencies."""
    model = constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)
    encoder = constriction.stream.queue.RangeEncoder()
    encoder.encode(symbols.astype(np.int32), model)
    return int(encoder.get_compressed().nbytes)


def ranged_bytes(delta: np.ndarray, layout: Layout, text: str, packed: int) -> int:
    """Return a payload's bytes with its positions or dense levels by the range coder.

    Frequencies are told in an octet each. Scales, ranges and what follows the positions stay as
    they are packed.
    """
    chain, body = codec(text).chain, delta[layout.body]
    if chain.top is None:
        levels = dense_levels(body, layout, chain.grid)
        counts = np.bincount(levels, minlength=STEPS[chain.grid] + 1)
        told = np.maximum(np.round(counts / counts.max() * 255), counts > 0) + 1e-9
        plain = packed_bytes(levels.size, WIDTH[chain.grid])
        return packed - plain + range_coded_bytes(levels, told) + told.size
    count = round(chain.top * body.size)
    flags = np.zeros(body.size, np.int64)
    flags[np.argpartition(np.abs(body), -count)[-count:]] = 1
    plain = packed_bytes(count, int(body.size - 1).bit_length())
    return packed - plain + range_coded_bytes(flags, np.array([body.size - count, count]))


def main() -> None:
    """Print a table for each task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    for model_name, file in TASKS:
        layout = Layout.of(load_artifact(model_name).spec.layout)
        delta, shared = trained_delta(model_name, options.data / file), Shared(layout)
        print(f"\n{model_name}: {layout.parameters} parameters, {4 * layout.parameters} bytes")
        print(f"{'':16}{'packed':>8}{'zlib':>8}{'zstd':>8}{'range':>8}{'golomb':>8}{'entropy':>9}"
              f"{'factor':>8}")  # fmt: skip
        for text in CHAINS:
            packed, golomb = (
                codec(chain).compress(delta, shared, np.random.default_rng(1)).payload
                for chain in (text, f"{text}|golomb")
            )
            zstd = zstandard.ZstdCompressor(level=22, write_content_size=False).compress(packed)
            ranged = ranged_bytes(delta, layout, text, len(packed))
            chain = codec(text).chain
            least = ""
            if chain.top is None:
                least = f"{entropy_bytes(dense_levels(delta[layout.body], layout, chain.grid)):.0f}"
            print(
                f"{text:16}{len(packed):>8}{len(zlib.compress(packed, 9)):>8}{len(zstd):>8}"
                f"{ranged:>8}{len(golomb):>8}{least:>9}{4 * layout.parameters / len(golomb):>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
