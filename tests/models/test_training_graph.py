"""One training step of every artifact against an independent one in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artifact import Artifact
from models.build.architectures import network
from models.build.layers import Convolution, Depthwise, Mean, Network, Sum, Unfold, has_relu
from models.spec import (
    CLASSIFICATION,
    RECONSTRUCTION,
    REGRESSION,
    SEGMENTATION,
    ModelSpec,
    Role,
)
from models.trainable import TrainableModel

F = np.float32
Array = NDArray[np.float32]


@dataclass
class Reference:
    """SGD with fake quantization, written out by hand; state as in the graph."""

    spec: ModelSpec
    vector: Array
    net: Network = field(init=False)

    def __post_init__(self) -> None:
        outputs = len(self.spec.targets) or len(self.spec.classes)
        self.net = network(self.spec.architecture, self.spec.input_shape, outputs)
        self.anchor = self.vector.copy()
        self.velocity = np.zeros_like(self.vector)

    def step(
        self,
        x: Array,
        y: NDArray[np.int64],
        weight: Array,
        *,
        learning_rate: float,
        momentum: float,
        mu: float,
        correction: Array,
    ) -> float:
        share = weight / weight.sum()
        vector = self.vector.copy()
        output, tape, ranges = self.forward(x, present=weight > 0)
        losses, slope = self.loss(x, y, output)
        gradient = self.backward(slope * share[:, None], tape)
        gradient += F(mu) * (vector - self.anchor) + correction
        self.velocity = F(momentum) * self.velocity + gradient
        self.vector = vector - F(learning_rate) * self.velocity
        for block in self.spec.layout:
            if block.role is Role.RANGE:
                self.vector[block.slice] = ranges[block.name]
        return float((share * losses).sum())

    def forward(self, x: Array, present: NDArray[np.bool_] | None = None):  # type: ignore[no-untyped-def]
        """Output [n, K], what backward needs, and the ranges used; frozen without `present`."""
        a = x.reshape(len(x), *self.net.input_shape)
        ranges: dict[str, Array] = {}
        tape: list[tuple[object, ...]] = []
        a, kept = self.activation("input.range", a, False, present, ranges)
        outputs = {"input": a}
        for layer in self.net.layers:
            saved: tuple[object, ...] = (a.shape,)
            if isinstance(layer, Convolution | Depthwise):
                weight = self.get(f"{layer.name}.weight")
                scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True), F(1e-6)) / F(127)
                quantized = np.round(weight / scale) * scale
                padded, seen = see(layer, a)
                patches = padded[:, seen[0], seen[1]]  # [n, R', T', taps, C]
                if isinstance(layer, Convolution):
                    flat = patches.reshape(*patches.shape[:3], -1)
                    out = flat @ quantized.T
                else:
                    out = np.einsum("nrtkc,ck->nrtc", patches, quantized)
                out = out + self.get(f"{layer.name}.bias")
                saved = (a.shape, padded.shape, seen, patches, quantized)
            elif isinstance(layer, Mean):
                out = a.mean(axis=(1, 2), keepdims=True)
            elif isinstance(layer, Sum):
                out = a + outputs[layer.other]
            else:
                n, rows, steps, _ = a.shape
                f = layer.factor
                blocks = a.reshape(n, rows, steps, f, f, -1).transpose(0, 1, 3, 2, 4, 5)
                out = blocks.reshape(n, rows * f, steps * f, -1)
            kept = np.ones(out.shape, bool)
            if not isinstance(layer, Unfold):
                relu = has_relu(layer)
                out, kept = self.activation(f"{layer.name}.range", out, relu, present, ranges)
            a = outputs[layer.name] = out
            tape.append((layer, saved, kept))
        return a.reshape(len(x), -1), tape, ranges

    def activation(  # type: ignore[no-untyped-def]
        self, name: str, a: Array, relu: bool, present, ranges: dict[str, Array]
    ) -> tuple[Array, NDArray[np.bool_]]:
        limits = self.get(name)
        if present is not None:
            seen = a[present]
            extremes = np.array([0.0 if relu else min(seen.min(), 0), max(seen.max(), 0)], F)
            slow = limits + F(0.1) * (extremes - limits)
            limits = np.array([min(slow[0], extremes[0]), max(slow[1], extremes[1])], F)
        ranges[name] = limits
        low, high = min(limits[0], F(0)), max(limits[1], F(0))
        scale = np.maximum(high - low, F(1e-6)) * F(1 / 255)
        zero = np.round(low / scale)
        levels = np.round(a * (F(1) / scale))
        bottom = max(zero, F(0)) if relu else zero
        kept = (levels >= bottom) & (levels <= zero + 255)
        return np.clip(levels, bottom, zero + 255) * scale, kept

    def loss(self, x: Array, y: NDArray[np.int64], out: Array) -> tuple[Array, Array]:
        """Loss and its slope by output, each example on its own."""
        if self.spec.task in (RECONSTRUCTION, REGRESSION):
            truth = x if self.spec.task == RECONSTRUCTION else y
            error = out - truth.reshape(len(x), -1)
            return np.square(error).mean(axis=1), 2 * error / error.shape[1]
        classes = len(self.spec.classes)
        rows = out.reshape(-1, classes)
        target = np.eye(classes, dtype=F)[y.reshape(-1)]
        if self.spec.architecture == "svm":
            margins = rows + (1 - target)
            best = margins.max(axis=1, keepdims=True)
            tied = (margins == best).astype(F)
            losses = best[:, 0] - (target * rows).sum(axis=1)
            return losses, tied / tied.sum(axis=1, keepdims=True) - target
        shifted = rows - rows.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses = -(target * log_p).sum(axis=1).reshape(len(x), -1)
        slope = (np.exp(log_p) - target).reshape(len(x), -1)
        return losses.mean(axis=1), slope / losses.shape[1]

    def backward(self, slope: Array, tape: list[tuple[object, ...]]) -> Array:
        gradient = np.zeros_like(self.vector)
        upstream = slope.reshape(tape[-1][2].shape)  # type: ignore[attr-defined]
        also: dict[str, Array] = {}
        for layer, saved, kept in reversed(tape):  # type: ignore[misc]
            upstream = (upstream + also.pop(layer.name, F(0))) * kept
            shape = saved[0]
            if isinstance(layer, Mean):
                upstream = np.broadcast_to(upstream / F(shape[1] * shape[2]), shape)
            elif isinstance(layer, Sum):
                also[layer.other] = also.get(layer.other, F(0)) + upstream
            elif isinstance(layer, Unfold):
                n, rows, steps, _ = shape
                f = layer.factor
                blocks = upstream.reshape(n, rows, f, steps, f, -1).transpose(0, 1, 3, 2, 4, 5)
                upstream = blocks.reshape(shape)
            else:
                upstream = self.through_weights(layer, saved, upstream, gradient)
        return gradient

    def through_weights(self, layer, saved, upstream: Array, gradient: Array) -> Array:  # type: ignore[no-untyped-def]
        shape, padded_shape, seen, patches, quantized = saved
        if isinstance(layer, Convolution):
            flat = patches.reshape(*patches.shape[:3], -1)
            weight = np.einsum("brto,brtk->ok", upstream, flat)
            below = (upstream @ quantized).reshape(patches.shape)
        else:
            weight = np.einsum("brtc,brtkc->ck", upstream, patches)
            below = np.einsum("brtc,ck->brtkc", upstream, quantized)
        gradient[self.spec.block(f"{layer.name}.weight").slice] = weight.reshape(-1)
        gradient[self.spec.block(f"{layer.name}.bias").slice] = upstream.sum(axis=(0, 1, 2))
        spread = np.zeros(padded_shape, F)
        np.add.at(spread, (slice(None), *seen), below)
        rows, steps = ((p - n) // 2 for p, n in zip(padded_shape[1:3], shape[1:3], strict=True))
        return spread[:, rows : rows + shape[1], steps : steps + shape[2]]

    def get(self, name: str) -> Array:
        block = self.spec.block(name)
        return self.vector[block.slice].reshape(block.shape)


def see(layer, a: Array):  # type: ignore[no-untyped-def]
    """The padded input, and rows and steps [R', T', taps] that each output looks at."""
    convolution = isinstance(layer, Convolution)
    tall = layer.kernel if convolution and layer.square else 1
    dilation = layer.dilation if convolution else 1
    if convolution and layer.padded:
        side = dilation * (layer.kernel - 1) // 2
        a = np.pad(a, ((0, 0), (side, side) if tall > 1 else (0, 0), (side, side), (0, 0)))
    stride = layer.stride
    rows = np.arange(0, a.shape[1] - tall + 1, stride if tall > 1 else 1)
    steps = np.arange(0, a.shape[2] - dilation * (layer.kernel - 1), stride)
    taps = np.arange(tall * layer.kernel)
    row = rows[:, None, None] + taps // layer.kernel
    step = steps[None, :, None] + dilation * (taps % layer.kernel)
    return a, np.broadcast_arrays(row, step)


def disturbed(artifact: Artifact) -> Array:
    """Parameters off their initial values: biases and ranges are then not special."""
    noise = np.random.default_rng(11).normal(0, 0.05, artifact.spec.parameters)
    return (artifact.initial_parameters() + noise).astype(F)


def difference(model: TrainableModel, reference: Reference, x, y, weight, settings) -> float:  # type: ignore[no-untyped-def]
    """Take the step in both; the largest difference of the loss or of a parameter."""
    before = reference.vector.copy()
    expected = reference.step(x, y, weight, **settings)
    loss = model.train_step(x, y, weight, **settings)
    assert np.abs(reference.vector - before).max() > 1e-3, "the step has to move something"
    apart = np.abs(model.parameters() - reference.vector) / np.maximum(np.abs(reference.vector), 1)
    # Later steps start from the same bits again; momentum is each one's own.
    reference.vector = model.parameters()
    return max(float(apart.max()), abs(loss - expected))


def assert_agreement(differences: list[float]) -> None:
    """1e-4 on many batches, and never far off.

    Where an activation lies halfway between two levels, the last bit of a sum
    decides which it gets, and a batch with such a flip differs by a few 1e-4 on
    one runtime or the other. A wrong formula agrees on no batch at all.
    """
    assert sum(d < 1e-4 for d in differences) >= len(differences) / 4, differences
    assert max(differences) < 2e-2, differences


@pytest.mark.parametrize("part", [1.0, 0.3], ids=["full batch", "part batch"])
def test_two_steps_agree_with_numpy(artifact: Artifact, made_up, part: float) -> None:
    spec = artifact.spec
    count = int(part * spec.batch_size)
    examples = made_up(spec)
    generator = np.random.default_rng(5)
    correction = generator.normal(0, 0.02, spec.parameters).astype(F)
    for block in spec.layout:
        if block.role is Role.RANGE:
            correction[block.slice] = 0
    model = TrainableModel(artifact)
    differences = []
    for _ in range(8):
        chosen = generator.permutation(len(examples[0]))[:count]
        x, y = (column[chosen] for column in examples)
        weight = generator.uniform(0.5, 2.0, count).astype(F)
        weight[count // 2] = 0.0
        reference = Reference(spec, disturbed(artifact))
        model.restore(reference.vector)
        settings = {"learning_rate": 0.05, "momentum": 0.9, "correction": correction}
        first = difference(model, reference, x, y, weight, {**settings, "mu": 0.0})
        second = difference(model, reference, x, y, weight, {**settings, "mu": 0.3})
        differences.append(max(first, second))
    assert_agreement(differences)


def test_the_gradient_itself_agrees_with_numpy(artifact: Artifact, made_up) -> None:
    # At rate 1 without momentum the step is the gradient, so 1e-4 is not scaled down.
    settings = {
        "learning_rate": 1.0,
        "momentum": 0.0,
        "mu": 0.0,
        "correction": np.zeros(artifact.spec.parameters, F),
    }
    examples = made_up(artifact.spec)
    model = TrainableModel(artifact)
    differences = []
    for seed in range(8):
        chosen = np.random.default_rng(seed).permutation(len(examples[0]))[
            : artifact.spec.batch_size
        ]
        x, y = (column[chosen] for column in examples)
        reference = Reference(artifact.spec, disturbed(artifact))
        model.restore(reference.vector)
        differences.append(difference(model, reference, x, y, np.ones(len(x), F), settings))
    assert_agreement(differences)


def test_infer_agrees_with_numpy(artifact: Artifact, made_up) -> None:
    x, _ = made_up(artifact.spec)
    x = x[:40]
    model, reference = TrainableModel(artifact), Reference(artifact.spec, disturbed(artifact))
    model.restore(reference.vector)
    expected, _, _ = reference.forward(x)
    spec = artifact.spec
    if spec.task in (CLASSIFICATION, SEGMENTATION) and spec.architecture != "svm":
        expected = expected.reshape(40, -1, len(spec.classes))
        expected = np.exp(expected - expected.max(axis=2, keepdims=True))
        expected = (expected / expected.sum(axis=2, keepdims=True)).reshape(40, -1)
    # Rounding makes a difference of a level or two of the last activation, here and there.
    np.testing.assert_allclose(model.infer(x).reshape(40, -1), expected, atol=0.1)
    assert np.abs(model.infer(x).reshape(40, -1) - expected).mean() < 1e-4


def test_a_row_of_weight_0_changes_nothing(artifact: Artifact, made_up) -> None:
    half = artifact.spec.batch_size // 2
    x, y = (column[:half] for column in made_up(artifact.spec))
    short, padded = TrainableModel(artifact), TrainableModel(artifact)
    extended = np.concatenate([x, 100 * x])
    weight = np.repeat([1.0, 0.0], half).astype(F)
    short.train_step(x, y, weight[:half], learning_rate=0.1)
    padded.train_step(extended, np.concatenate([y, y]), weight, learning_rate=0.1)
    np.testing.assert_allclose(padded.parameters(), short.parameters(), atol=1e-6)
