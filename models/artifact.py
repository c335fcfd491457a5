"""An artifact: a folder with a spec, a training graph, an int8 graph and first parameters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ArtifactError
from models.spec import ModelSpec, TrainingMode
from models.spec_file import load_spec

SPEC_FILE = "spec.json"
TRAIN_FILE = "train.tflite"
INT8_FILE = "infer_int8.tflite"
INITIAL_FILE = "initial.f32"

_ZOO = Path(__file__).parent / "zoo"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder whose files have the digests that its spec names."""

    directory: Path
    spec: ModelSpec

    @property
    def train_path(self) -> Path:
        return self.directory / TRAIN_FILE

    @property
    def int8_path(self) -> Path:
        return self.directory / INT8_FILE

    def mode_path(self, mode: TrainingMode) -> Path:
        """The training graph of a mode other than `full`."""
        return self.directory / mode.file

    def initial_parameters(self) -> NDArray[np.float32]:
        """float32[P]: the seeded parameters that every population starts from."""
        path = self.directory / INITIAL_FILE
        vector = np.frombuffer(_read(path), dtype="<f4").astype(np.float32)
        if vector.size != self.spec.parameters or not np.isfinite(vector).all():
            raise ArtifactError(path, f"is not {self.spec.parameters} finite float32")
        return vector


def load_artifact(place: Path | str) -> Artifact:
    """The artifact in the folder `place`, or the one of that name that ships with perfuse.

    Checks every file's SHA-256. Raises ArtifactError or SpecError.
    """
    directory = _find(Path(place))
    spec = load_spec(directory / SPEC_FILE)
    for required in (TRAIN_FILE, INT8_FILE, INITIAL_FILE):
        if required not in spec.files:
            raise ArtifactError(directory / SPEC_FILE, f"lists no {required}")
    for name, digest in spec.files.items():
        if hashlib.sha256(_read(directory / name)).hexdigest() != digest:
            raise ArtifactError(directory / name, "does not have the SHA-256 that the spec names")
    return Artifact(directory, spec)


def zoo_names() -> tuple[str, ...]:
    """Names of the artifacts that ship with perfuse."""
    return tuple(sorted(path.parent.name for path in _ZOO.glob(f"*/{SPEC_FILE}")))


def _find(place: Path) -> Path:
    if place.is_dir():
        return place
    if len(place.parts) == 1 and place.name in zoo_names():
        return _ZOO / place
    raise ArtifactError(place, f"is neither a folder nor one of {', '.join(zoo_names())}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
