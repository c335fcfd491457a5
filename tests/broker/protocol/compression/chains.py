"""Chains that together have every stage, and a layout with ranges in the middle."""

from __future__ import annotations

import numpy as np

from broker.protocol.compression import Layout, Shared
from models.spec import ParameterBlock, Role

CHAINS = (
    "none",
    "clip=0.5",
    "residual",
    "residual=0.7|topk=0.02|sign|golomb",
    "topk=0.05",
    "topk=0.05|golomb",
    "randk=0.1",
    "rotate|q2",
    "sign",
    "ternary=64",
    "ternary|golomb",
    "q2|golomb",
    "q4",
    "q4=32|golomb",
    "q8",
    "q8|golomb",
    "randk=0.3|rotate|q4=64|golomb",
    "residual|topk=0.01|sign|golomb",
    "residual|randk=0.1|q8",
    "clip=1|residual|topk=0.02|ternary|golomb",
)


def layout(first: int = 200, second: int = 90) -> Layout:
    """Two layers with the range of an activation after each: 6 ranges in all."""
    return Layout.of(
        (
            ParameterBlock("a/weight", (first,), 0, Role.WEIGHT),
            ParameterBlock("a/range", (2,), first, Role.RANGE),
            ParameterBlock("b/weight", (second,), first + 2, Role.WEIGHT),
            ParameterBlock("b/range", (4,), first + second + 2, Role.RANGE),
        )
    )


def delta(found: Layout, seed: int = 0) -> np.ndarray:
    """Float32[P]: weights move by hundredths, ranges by whole units."""
    generator = np.random.default_rng(seed)
    vector = generator.normal(0, 0.02, found.parameters).astype(np.float32)
    vector[found.ranges] = generator.uniform(-5, 5, found.ranges.size)
    return vector


def shared(seed: int = 7) -> Shared:
    return Shared(layout(), seed)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)
