"""Recorded datasets for simulations: an .npz with x, y and an array that says whose each row is."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ParameterError
from models.spec import ModelSpec
from models.truth import checked_truth


class DatasetError(Exception):
    """A dataset that cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong, naming the array.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Examples x float32[n, ...], y[n, ...] as `models.truth` has it, and whose each is, str[n].

    Targets are in the unit of their channel.
    """

    name: str
    x: NDArray[np.float32]
    y: NDArray[Any]
    client: NDArray[np.str_]

    @property
    def clients(self) -> tuple[str, ...]:
        """Names of the clients, in order."""
        names = sorted(set(self.client.tolist()), key=lambda name: (len(name), name))
        return tuple(names)

    def of(self, clients: tuple[str, ...]) -> Dataset:
        """Return the examples of some clients."""
        mine = np.isin(self.client, clients)
        return Dataset(self.name, self.x[mine], self.y[mine], self.client[mine])


@dataclass(frozen=True, slots=True)
class Split:
    """Clients that train, and clients that nobody trains on."""

    training: tuple[str, ...]
    heldout: tuple[str, ...]


def load_dataset(path: Path, clients: str, spec: ModelSpec) -> Dataset:
    """Read an .npz that fits a model.

    Args:
        path: the file.
        clients: name of the array that says whose each row is.
        spec: of the model that shall train on it.

    Raises:
        DatasetError: not readable, an array is missing, or it does not fit the model.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y, client = (_array(path, arrays, name) for name in ("x", "y", clients))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(path, f"cannot be read: {error}") from error
    _require_fit(path, x, y, client, clients, spec)
    names = np.array([f"{clients}-{value}" for value in client.tolist()])
    return Dataset(path.stem, x.astype(np.float32), checked_truth(spec, y, len(x)), names)


def split_clients(dataset: Dataset, holdout: float, seed: int) -> Split:
    """Hold a share of the clients out, drawn with a seed; at least one on either side.

    Raises:
        DatasetError: there are fewer than two clients.
    """
    names = dataset.clients
    if len(names) < 2:
        raise DatasetError(dataset.name, f"{len(names)} client; at least 2 are needed")
    count = min(max(1, int(holdout * len(names) + 0.5)), len(names) - 1)
    drawn = set(np.random.default_rng(seed).permutation(len(names))[:count].tolist())
    return Split(
        tuple(name for i, name in enumerate(names) if i not in drawn),
        tuple(name for i, name in enumerate(names) if i in drawn),
    )


def _array(path: Path, arrays: Any, name: str) -> NDArray[Any]:
    if name not in arrays:
        raise DatasetError(path, f"has no array {name!r}; it has {', '.join(sorted(arrays))}")
    found: NDArray[Any] = arrays[name]
    return found


def _require_fit(
    path: Path,
    x: NDArray[Any],
    y: NDArray[Any],
    client: NDArray[Any],
    clients: str,
    spec: ModelSpec,
) -> None:
    if x.shape[1:] != spec.input_shape:
        raise DatasetError(path, f"x is {x.shape}, {spec.name} takes {spec.input_shape} each")
    if client.shape != (len(x),):
        raise DatasetError(path, f"{clients} is {client.shape}, x has {len(x)} rows")
    if x.dtype.kind not in "fiu" or not len(x):
        raise DatasetError(path, f"x must be numbers, not {len(x)} rows of {x.dtype}")
    try:
        checked_truth(spec, y, len(x))
    except ParameterError as error:
        raise DatasetError(path, f"{error.reason} ({spec.name})") from error
