"""A learned model as a folder of its own: ready for a gateway, or to start a population from."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.artifact import INITIAL_FILE, INT8_FILE, SPEC_FILE, TRAIN_FILE, Artifact, load_artifact
from models.int8 import rewrite
from models.normalisation import Normalisation
from models.spec import dump_spec


def export_artifact(
    artifact: Artifact,
    parameters: NDArray[np.float32],
    normalisation: Normalisation,
    directory: Path,
) -> Artifact:
    """Write `artifact` with learned parameters float32[P] into the new folder `directory`.

    Its int8 graph answers with the learned parameters as it is; its spec holds the
    normalisation. Raises ParameterError for a vector that does not fit.
    """
    files = {
        INT8_FILE: rewrite(artifact, parameters),
        INITIAL_FILE: parameters.astype("<f4").tobytes(),
        TRAIN_FILE: artifact.train_path.read_bytes(),
        **{mode.file: artifact.mode_path(mode).read_bytes() for mode in artifact.spec.modes},
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    spec = replace(artifact.spec, normalisation=normalisation, files=digests)
    draft = directory.with_name(directory.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, data in files.items():
        (draft / name).write_bytes(data)
    (draft / SPEC_FILE).write_text(dump_spec(spec))
    draft.rename(directory)
    return load_artifact(directory)
