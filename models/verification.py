"""The conversion checks of an artifact: what a gateway relies on, tried one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact, load_artifact
from models.errors import ModelError
from models.int8 import Int8Model, rewrite
from models.partial import learner_of
from models.rehearsal import rehearsal
from models.scores import predict
from models.spec import FULL, RECONSTRUCTION
from models.tflite_schema import Model
from models.trainable import TrainableModel

_EXAMPLES = 96
_STEPS = 30
_RATE = 0.01
# Seeded, so that a verdict is the same on every machine but for the runtime.
_SEED = 20
# Little training leaves scores close together; a graph gone wrong agrees by chance alone.
_LEAST_AGREEMENT = 0.9
_MOST_APART = 0.05
_IDENTIFIER = b"TFL3"
_CUSTOM = 32  # BuiltinOperator.CUSTOM in the schema; Flex operators are custom ones


@dataclass(frozen=True, slots=True)
class Check:
    """One check's outcome; the detail says what was found."""

    name: str
    passed: bool
    detail: str


def verify(place: Path | str) -> list[Check]:
    """Run all checks of the artifact at `place`; the first that fails to load ends them."""
    try:
        artifact = load_artifact(place)
    except ModelError as error:
        return [Check("spec and digests", False, str(error))]
    spec = artifact.spec
    digests = f"{len(spec.files)} files, {spec.parameters} parameters"
    return [Check("spec and digests", True, digests), *_checks(artifact)]


def _checks(artifact: Artifact) -> Iterator[Check]:
    tried: list[tuple[str, Callable[[Artifact], Check | None]]] = [
        ("builtin operators", _builtin),
        ("signatures", _signatures),
        ("restore", _restore),
        ("training", _training),
        ("int8", _int8),
    ]
    for name, check in tried:
        try:
            found = check(artifact)
        except (ModelError, ValueError) as error:
            # The runtimes say ValueError where a graph takes arrays of other shapes.
            found = Check(name, False, str(error))
        if found is not None:
            yield found


def _builtin(artifact: Artifact) -> Check:
    names = [name for name in artifact.spec.files if name.endswith(".tflite")]
    custom = []
    for name in names:
        data = (artifact.directory / name).read_bytes()
        if data[4:8] != _IDENTIFIER:
            return Check("builtin operators", False, f"{name} is no TFLite file")
        model = Model.GetRootAs(data, 0)
        for index in range(model.OperatorCodesLength()):
            code = model.OperatorCodes(index)
            if _CUSTOM in (code.BuiltinCode(), code.DeprecatedBuiltinCode()):
                custom.append(f"{name}: {code.CustomCode()!r}")
    detail = ", ".join(custom) or f"{len(names)} graphs, no custom operator"
    return Check("builtin operators", not custom, detail)


def _modes(artifact: Artifact) -> list[str]:
    return [FULL, *(mode.name for mode in artifact.spec.modes)]


def _signatures(artifact: Artifact) -> Check:
    for mode in _modes(artifact):
        learner_of(artifact, mode)
    model = TrainableModel(artifact)
    shape = model.infer(np.zeros((2, *artifact.spec.input_shape), np.float32)).shape
    right = shape == (2, *artifact.spec.output_shape)
    return Check("signatures", right, f"{', '.join(_modes(artifact))}; answers {shape[1:]}")


def _restore(artifact: Artifact) -> Check:
    vector = np.random.default_rng(_SEED).normal(size=artifact.spec.parameters).astype(np.float32)
    vector[0] = -0.0
    wrong = []
    for mode in _modes(artifact):
        learner = learner_of(artifact, mode)
        learner.restore(vector)
        if learner.parameters().tobytes() != vector.tobytes():
            wrong.append(mode)
    return Check("restore", not wrong, ", ".join(wrong) or "bit for bit")


def _training(artifact: Artifact) -> Check:
    losses = {mode: _losses(artifact, mode) for mode in _modes(artifact)}
    wrong = [mode for mode, (first, last) in losses.items() if not last < first]
    text = ", ".join(f"{mode} {first:.3f} to {last:.3f}" for mode, (first, last) in losses.items())
    return Check("training", not wrong, f"loss of {_STEPS} steps: {text}")


def _losses(artifact: Artifact, mode: str) -> tuple[float, float]:
    spec = artifact.spec
    x, y = rehearsal(spec, np.random.default_rng(_SEED), spec.batch_size)
    learner = learner_of(artifact, mode)
    if spec.task == RECONSTRUCTION and getattr(learner, "compares_with_input", False):
        y = x
    prepared = learner.prepare(x)
    weight = np.ones(len(x), np.float32)
    losses = [
        learner.train_step(prepared, y, weight, learning_rate=_RATE, momentum=0.5)
        for _ in range(_STEPS)
    ]
    return losses[0], losses[-1]


def _int8(artifact: Artifact) -> Check:
    """After some training, for the first parameters' ranges are a guess."""
    spec = artifact.spec
    model = TrainableModel(artifact)
    x, y = rehearsal(spec, np.random.default_rng(_SEED), _EXAMPLES)
    for start in range(0, 4 * _EXAMPLES, spec.batch_size):
        batch = np.arange(start, start + spec.batch_size) % _EXAMPLES
        weight = np.ones(len(batch), np.float32)
        model.train_step(x[batch], y[batch], weight, learning_rate=_RATE, momentum=0.5)
    by_float = model.infer(x)
    by_int8 = Int8Model(rewrite(artifact, model.parameters()), spec).infer(x)
    if spec.classes:
        share = float((predict(spec, by_float) == predict(spec, by_int8)).mean())
        text = f"same class as the float path on {share:.3f} of {_EXAMPLES} examples"
        return Check("int8", share >= _LEAST_AGREEMENT, text)
    apart = _apart(by_float, by_int8)
    text = f"differs from the float path by {apart:.3f} of its spread on {_EXAMPLES} examples"
    return Check("int8", apart <= _MOST_APART, text)


def _apart(by_float: NDArray[np.float32], by_int8: NDArray[np.float32]) -> float:
    spread = float(np.sqrt(np.square(by_float - by_float.mean()).mean()))
    return float(np.sqrt(np.square(by_int8 - by_float).mean())) / max(spread, 1e-6)
