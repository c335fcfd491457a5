"""Made-up exercises that a shipped model can tell apart, as windows, examples and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.examples import ExampleStore
from edge_agent.windows import Window
from models.artifact import Artifact, load_artifact

STEP_NS = 20_000_000


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    """A classifier of windows of 200 readings of six channels."""
    return load_artifact("shoulder-cnn1d")


def rhythm(kind: int, start: int, count: int, seed: int) -> NDArray[np.float32]:
    """Readings float32[count, 6] from reading ``start`` on; the kind is how fast they swing."""
    generator = np.random.default_rng((seed, start))
    time = (start + np.arange(count))[:, None]
    swing = 5 + 2 * np.sin(2 * np.pi * (1 + 2 * kind) * time / 100 + np.arange(6))
    return (swing + 0.2 * generator.normal(size=(count, 6))).astype(np.float32)


def exercise(kind: int, number: int, seed: int = 0) -> Window:
    """One window of an exercise."""
    start = number * 200
    values = rhythm(kind, start, 200, seed)
    return Window("watch", start * STEP_NS, (start + 200) * STEP_NS, values, 0.0)


@pytest.fixture
def store(artifact: Artifact) -> Iterator[ExampleStore]:
    """A store with 70 examples of three exercises, and 10 windows of nobody knows what."""
    with closing(ExampleStore(":memory:", artifact.spec.input_shape, 1000)) as store:
        classes = artifact.spec.classes
        for number in range(80):
            kind = number % 3
            store.add(exercise(kind, number), classes[kind] if number < 70 else None)
        yield store
