"""Artifacts, and examples to train them on: made up everywhere, real where the data is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artifact import Artifact, load_artifact, zoo_names
from models.normalisation import ChannelSums
from models.spec import ModelSpec

Examples = tuple[NDArray[np.float32], NDArray[np.int64]]

_DATA = Path(__file__).parents[2].parent / "shared" / "data"
_FILES = {
    "shoulder": "shoulder_watch_50hz.npz",
    "hmp": "hmp_wrist_32hz.npz",
    "heart": "heart_4sites.npz",
}


@pytest.fixture(params=zoo_names())
def artifact(request: pytest.FixtureRequest) -> Artifact:
    """Every artifact that ships with perfuse."""
    return load_artifact(request.param)


@pytest.fixture(scope="session")
def made_up() -> Callable[[ModelSpec], Examples]:
    """192 normalised examples whose class is a direction (tables) or a rhythm (windows)."""
    return _made_up


@pytest.fixture(scope="session")
def recorded() -> Callable[[ModelSpec], Examples]:
    """Normalised real examples for a shipped model; skips where the data is not at hand."""
    return _recorded


def _made_up(spec: ModelSpec) -> Examples:
    generator = np.random.default_rng(7)
    classes = max(2, len(spec.classes))
    y = generator.integers(0, classes, 192)
    noise = generator.normal(size=(192, *spec.input_shape))
    if len(spec.input_shape) == 1:
        signal = generator.normal(size=(classes, *spec.input_shape))[y]
    else:
        steps, channels = spec.input_shape
        rhythm = 2 * np.pi * np.outer(np.arange(1, classes + 1) * 2, np.arange(steps) / steps)
        shift = generator.uniform(0, 2 * np.pi, size=(192, 1, channels))
        signal = 1.5 * np.sin(rhythm[y][:, :, np.newaxis] + shift)
    return (signal + 0.5 * noise).astype(np.float32), y


def _recorded(spec: ModelSpec) -> Examples:
    path = _DATA / _FILES[spec.name.partition("-")[0]]
    if not path.exists():
        pytest.skip(f"{path.name} is not at hand")
    with np.load(path) as data:
        x, y = data["x"].astype(np.float32), data["y"].astype(np.int64)
    order = np.random.default_rng(3).permutation(len(x))[:1024]
    return ChannelSums.of(x).normalisation().apply(x)[order], y[order]
