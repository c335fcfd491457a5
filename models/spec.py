"""The spec of a model: what it eats, what it answers, and where each parameter lies.

`models.spec_file` reads it.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from models.errors import ParameterError
from models.normalisation import Normalisation

FORMAT = 2
CLASSIFICATION = "classification"
RECONSTRUCTION = "reconstruction"
REGRESSION = "regression"
SEGMENTATION = "segmentation"
TASKS = (CLASSIFICATION, RECONSTRUCTION, REGRESSION, SEGMENTATION)
# Architecture -> what it is for.
ARCHITECTURES = {
    "logistic": CLASSIFICATION,
    "svm": CLASSIFICATION,
    "mlp": CLASSIFICATION,
    "cnn1d": CLASSIFICATION,
    "dscnn1d": CLASSIFICATION,
    "tcn": CLASSIFICATION,
    "cnn2d": CLASSIFICATION,
    "forecast": REGRESSION,
    "unet": SEGMENTATION,
    "autoencoder": RECONSTRUCTION,
}
# [features], [steps, channels], [rows, columns, channels]
AXES = {
    CLASSIFICATION: (1, 2, 3),
    RECONSTRUCTION: (1, 2),
    REGRESSION: (1, 2),
    SEGMENTATION: (3,),
}
FULL = "full"
HEAD = "head"
SPARSE = "sparse"
MODES = (FULL, HEAD, SPARSE)
INPUT = "input"


class Role(Enum):
    """What a block of the parameter vector is."""

    WEIGHT = "weight"
    BIAS = "bias"
    RANGE = "range"
    """Lower and upper end of a quantized activation; moved by averaging, not by gradients."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One column of the input."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Target:
    """A number that a regression answers, in the unit of the input's channel `channel`.

    Both are normalised alike, so a population needs to agree on nothing more. It is the channel's
    value `ahead` readings after the window's last.
    """

    name: str
    channel: str
    ahead: int


@dataclass(frozen=True, slots=True)
class ParameterBlock:
    """A named piece of the flat vector, row-major from `offset`."""

    name: str
    shape: tuple[int, ...]
    offset: int
    role: Role

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def slice(self) -> slice:
        return slice(self.offset, self.offset + self.size)


@dataclass(frozen=True, slots=True)
class TrainingMode:
    """A way to train some layers at a lower price, with a training graph of its own.

    The graph is the network's end. It takes what the int8 graph has at `begins_at`, dequantized,
    so everything before runs once an example as int8 inference; `"input"` is the example itself.

    Attributes:
        name: `"head"` or `"sparse"`.
        file: of the graph; signatures train, parameters and restore.
        begins_at: the layer whose output the graph takes.
        features: shape of that output of one example.
        layers: those that are trained.
        blocks: the graph's own parameter vector, as names of the layout's blocks.
    """

    name: str
    file: str
    begins_at: str
    features: tuple[int, ...]
    layers: tuple[str, ...]
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything about a model but its numbers."""

    name: str
    architecture: str
    task: str
    input_shape: tuple[int, ...]
    rate_hz: float | None
    channels: tuple[Channel, ...]
    classes: tuple[str, ...]
    """Of an example, or of each pixel in a segmentation."""
    targets: tuple[Target, ...]
    batch_size: int
    parameters: int
    layout: tuple[ParameterBlock, ...]
    modes: tuple[TrainingMode, ...]
    """Beside `full`, which every model has."""
    normalisation: Normalisation | None
    files: dict[str, str]
    """File name -> SHA-256 in hexadecimal."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one example: (K,) scores, (targets,), (rows, columns, K), or the input's shape."""
        if self.task == CLASSIFICATION:
            return (len(self.classes),)
        if self.task == REGRESSION:
            return (len(self.targets),)
        if self.task == SEGMENTATION:
            return (*self.input_shape[:2], len(self.classes))
        return self.input_shape

    @property
    def truth_shape(self) -> tuple[int, ...]:
        """Of one example's y: () class, (targets,), (rows, columns) of classes; () unused."""
        if self.task == REGRESSION:
            return (len(self.targets),)
        return self.input_shape[:2] if self.task == SEGMENTATION else ()

    def block(self, name: str) -> ParameterBlock:
        """The block called `name`; raises ParameterError if there is none."""
        for block in self.layout:
            if block.name == name:
                return block
        raise ParameterError(f"model {self.name!r} has no parameter block {name!r}")

    def mode(self, name: str) -> TrainingMode | None:
        """The mode called `name`; `None` where training it is training all (`full`)."""
        return next((mode for mode in self.modes if mode.name == name), None)

    @property
    def digest(self) -> str:
        """SHA-256 of the deterministic JSON, in hexadecimal."""
        return hashlib.sha256(dump_spec(self).encode()).hexdigest()


def dump_spec(spec: ModelSpec) -> str:
    """Deterministic JSON: the same spec gives the same bytes."""
    normalisation = spec.normalisation
    tree = {
        "format": FORMAT,
        "name": spec.name,
        "architecture": spec.architecture,
        "task": spec.task,
        "input_shape": list(spec.input_shape),
        "rate_hz": spec.rate_hz,
        "channels": [{"name": c.name, "unit": c.unit} for c in spec.channels],
        "classes": list(spec.classes),
        "targets": [asdict(target) for target in spec.targets],
        "batch_size": spec.batch_size,
        "parameters": spec.parameters,
        "layout": [
            {"name": b.name, "shape": list(b.shape), "offset": b.offset, "role": b.role.value}
            for b in spec.layout
        ],
        "modes": [_mode_tree(mode) for mode in spec.modes],
        "normalisation": None
        if normalisation is None
        else {"mean": list(normalisation.mean), "std": list(normalisation.std)},
        "files": dict(sorted(spec.files.items())),
    }
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _mode_tree(mode: TrainingMode) -> dict[str, Any]:
    return {
        "name": mode.name,
        "file": mode.file,
        "begins_at": mode.begins_at,
        "features": list(mode.features),
        "layers": list(mode.layers),
        "blocks": list(mode.blocks),
    }
