"""Builds an artifact. This module needs TensorFlow (extra `build`); requests do not."""

from __future__ import annotations

import hashlib

from models.artifact import INITIAL_FILE, INT8_FILE, SPEC_FILE, TRAIN_FILE
from models.build.conversion import convert
from models.build.initial import initial_parameters
from models.build.int8_graph import int8_graph
from models.build.layers import Network
from models.build.objective import Objective, objective
from models.build.request import BuildRequest
from models.build.training_graph import TrainingModule
from models.spec import INPUT, RECONSTRUCTION, REGRESSION, ModelSpec, TrainingMode, dump_spec


def build_artifact(request: BuildRequest) -> ModelSpec:
    """Write the artifact into `request.out` and return its spec.

    The same request gives the same bytes. Raises RequestError.
    """
    net = request.network()
    outputs = len(request.targets) if request.task == REGRESSION else request.classes
    goal = objective(
        request.task, request.architecture, outputs, request.batch_size, request.input_shape
    )
    whole = TrainingModule(
        net,
        goal,
        request.input_shape,
        request.batch_size,
        truth_is_input=request.task == RECONSTRUCTION,
    )
    files = {
        TRAIN_FILE: convert(whole),
        INT8_FILE: int8_graph(net),
        INITIAL_FILE: initial_parameters(net, request.seed).astype("<f4").tobytes(),
    }
    modes = []
    for name, layers in request.trained_layers().items():
        mode, graph = _mode(request, net, goal, name, layers)
        if mode is not None:
            modes.append(mode)
            files[mode.file] = graph
    layout = net.layout()
    spec = ModelSpec(
        name=request.name or request.out.name,
        architecture=request.architecture,
        task=request.task,
        input_shape=request.input_shape,
        rate_hz=request.rate_hz,
        channels=request.named_channels(),
        classes=request.named_classes(),
        targets=request.targets,
        batch_size=request.batch_size,
        parameters=layout[-1].offset + layout[-1].size,
        layout=layout,
        modes=tuple(modes),
        normalisation=None,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )
    request.out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (request.out / name).write_bytes(data)
    # Last, so that a build that was cut short has no spec and does not load.
    (request.out / SPEC_FILE).write_text(dump_spec(spec), encoding="utf-8")
    return spec


def _mode(
    request: BuildRequest, net: Network, goal: Objective, name: str, layers: tuple[str, ...]
) -> tuple[TrainingMode | None, bytes]:
    """A training mode and its graph; `None` where it would train all that there is."""
    end = net.ending_with(layers)
    weights = {b.name.removesuffix(".weight") for b in net.layout()} & {
        layer.name for layer in net.layers
    }
    if weights <= set(layers):
        return None, b""
    rows, steps, channels = end.input_shape
    features = request.input_shape if end.begins_at == INPUT else (rows, steps, channels)
    module = TrainingModule(
        end,
        goal,
        features,
        request.batch_size,
        trained=layers,
        truth_is_input=end.begins_at == INPUT and request.task == RECONSTRUCTION,
    )
    blocks = tuple(block.name for block in end.layout())
    return TrainingMode(
        name, f"train_{name}.tflite", end.begins_at, features, layers, blocks
    ), convert(module)
