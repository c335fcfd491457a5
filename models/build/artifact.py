"""Builds an artifact. This module needs TensorFlow (extra `build`); requests do not."""

from __future__ import annotations

import hashlib

from models.artifact import INITIAL_FILE, INT8_FILE, SPEC_FILE, TRAIN_FILE
from models.build.architectures import network
from models.build.conversion import convert
from models.build.initial import initial_parameters
from models.build.int8_graph import int8_graph
from models.build.request import BuildRequest
from models.build.training_graph import TrainingModule, objective
from models.spec import CLASSIFICATION, RECONSTRUCTION, ModelSpec, dump_spec


def build_artifact(request: BuildRequest) -> ModelSpec:
    """Write the artifact into `request.out` and return its spec.

    The same request gives the same bytes. Raises RequestError.
    """
    net = network(request.architecture, request.input_shape, request.classes)
    goal = objective(request.architecture, request.classes)
    module = TrainingModule(net, goal, request.input_shape, request.batch_size)
    files = {
        TRAIN_FILE: convert(module),
        INT8_FILE: int8_graph(net),
        INITIAL_FILE: initial_parameters(net, request.seed).astype("<f4").tobytes(),
    }
    layout = net.layout()
    spec = ModelSpec(
        name=request.name or request.out.name,
        architecture=request.architecture,
        task=RECONSTRUCTION if request.architecture == "autoencoder" else CLASSIFICATION,
        input_shape=request.input_shape,
        rate_hz=request.rate_hz,
        channels=request.named_channels(),
        classes=request.named_classes(),
        batch_size=request.batch_size,
        parameters=layout[-1].offset + layout[-1].size,
        layout=layout,
        normalisation=None,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    request.out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (request.out / name).write_bytes(data)
    # Last, so that a build that was cut short has no spec and does not load.
    (request.out / SPEC_FILE).write_text(dump_spec(spec), encoding="utf-8")
    return spec
