"""Artifacts, and examples to train them on: made up everywhere, real where the data is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artifact import Artifact, load_artifact, zoo_names
from models.normalisation import ChannelSums
from models.rehearsal import rehearsal
from models.spec import ModelSpec
from models.truth import normalised_truth
from perfuse.simulation.preparation import Prepared, beats, digits, falls, glucose, shapes

Examples = tuple[NDArray[np.float32], NDArray[Any]]

_DATA = Path(__file__).parents[2].parent / "shared" / "data"
_FILES = {
    "shoulder": "shoulder_watch_50hz.npz",
    "hmp": "hmp_wrist_32hz.npz",
    "heart": "heart_4sites.npz",
    "mitbih": "mitbih_beats_120hz.npz",
    "glucose": "cgm_glucose.npz",
    "umafall": "umafall_20hz.npz",
}


@pytest.fixture(params=zoo_names())
def artifact(request: pytest.FixtureRequest) -> Artifact:
    """Every artifact that ships with perfuse."""
    return load_artifact(request.param)


@pytest.fixture(scope="session")
def made_up() -> Callable[[ModelSpec], Examples]:
    """192 normalised examples whose class is a direction (tables) or a rhythm (windows)."""
    return lambda spec: rehearsal(spec, np.random.default_rng(7), 192)


@pytest.fixture(scope="session")
def recorded() -> Callable[[ModelSpec], Examples]:
    """Normalised real examples for a shipped model; skips where the data is not at hand."""
    return _recorded


def _recorded(spec: ModelSpec) -> Examples:
    prepared = _prepared(spec.name)
    order = np.random.default_rng(3).permutation(len(prepared.x))[:1024]
    x, y = prepared.x[order], prepared.y[order]
    normalisation = ChannelSums.of(x).normalisation()
    return normalisation.apply(x), normalised_truth(spec, normalisation, y)


@cache
def _prepared(name: str) -> Prepared:
    if name == "shapes-unet":
        return shapes(np.random.default_rng(5), 256)
    if name == "digits-cnn2d":
        return digits(_at_hand("scikit_learn", _wheels()))
    path = _at_hand(name, [_DATA / _FILES[name.partition("-")[0]]])
    if name.startswith("mitbih"):
        return beats(path, rhythm=name == "mitbih-tcn")
    if name.startswith("glucose"):
        return glucose(path)
    if name.startswith("umafall"):
        return falls(path)
    with np.load(path) as data:
        x, y = data["x"].astype(np.float32), data["y"].astype(np.int64)
    return Prepared(x, y, np.zeros(len(y), np.int64))


def _wheels() -> list[Path]:
    """Where scikit-learn's own data may lie: installed."""
    found = find_spec("sklearn")
    return [] if found is None or found.origin is None else [Path(found.origin).parents[1]]


def _at_hand(name: str, places: list[Path]) -> Path:
    for place in places:
        if place.exists():
            return place
    pytest.skip(f"the data of {name} is not at hand")
