"""One training step of every artifact against an independent one in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artifact import Artifact
from models.build.architectures import Convolution, Network, network
from models.spec import ModelSpec, Role
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
        self.net = network(self.spec.architecture, self.spec.input_shape, len(self.spec.classes))
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
        a = x.reshape(len(x), self.net.steps, self.net.channels)
        ranges: dict[str, Array] = {}
        tape: list[tuple[object, ...]] = []
        a, _ = self.activation("input.range", a, False, present, ranges)
        for layer in self.net.layers:
            if isinstance(layer, Convolution):
                weight = self.get(f"{layer.name}.weight")
                scale = np.maximum(np.abs(weight).max(axis=1, keepdims=True), F(1e-6)) / F(127)
                quantized = np.round(weight / scale) * scale
                starts = range(0, a.shape[1] - layer.kernel + 1, layer.stride)
                patches = np.stack(
                    [a[:, s : s + layer.kernel].reshape(len(a), -1) for s in starts], axis=1
                )
                out = patches @ quantized.T + self.get(f"{layer.name}.bias")
                saved: tuple[object, ...] = (a.shape, patches, quantized)
                relu = layer.relu
            else:
                out, saved, relu = a.mean(axis=1, keepdims=True), (a.shape,), False
            a, kept = self.activation(f"{layer.name}.range", out, relu, present, ranges)
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
        if self.spec.architecture == "autoencoder":
            error = out - x.reshape(len(x), -1)
            return np.square(error).mean(axis=1), 2 * error / error.shape[1]
        target = np.eye(out.shape[1], dtype=F)[y]
        if self.spec.architecture == "svm":
            margins = out + (1 - target)
            best = margins.max(axis=1, keepdims=True)
            tied = (margins == best).astype(F)
            losses = best[:, 0] - (target * out).sum(axis=1)
            return losses, tied / tied.sum(axis=1, keepdims=True) - target
        shifted = out - out.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(target * log_p).sum(axis=1), np.exp(log_p) - target

    def backward(self, slope: Array, tape: list[tuple[object, ...]]) -> Array:
        gradient = np.zeros_like(self.vector)
        upstream = slope.reshape(tape[-1][2].shape)  # type: ignore[attr-defined]
        for layer, saved, kept in reversed(tape):  # type: ignore[misc]
            upstream = upstream * kept
            if not isinstance(layer, Convolution):
                (shape,) = saved
                upstream = np.broadcast_to(upstream / F(shape[1]), shape)
                continue
            shape, patches, quantized = saved
            weight = np.einsum("bto,btk->ok", upstream, patches)
            gradient[self.spec.block(f"{layer.name}.weight").slice] = weight.reshape(-1)
            gradient[self.spec.block(f"{layer.name}.bias").slice] = upstream.sum(axis=(0, 1))
            below = upstream @ quantized
            upstream = np.zeros(shape, F)
            for i in range(below.shape[1]):
                start = i * layer.stride
                piece = below[:, i].reshape(shape[0], layer.kernel, shape[2])
                upstream[:, start : start + layer.kernel] += piece
        return gradient

    def get(self, name: str) -> Array:
        block = self.spec.block(name)
        return self.vector[block.slice].reshape(block.shape)


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
    """1e-4 on most batches, and never far off.

    Where an activation lies halfway between two levels, the last bit of a sum
    decides which it gets, and a batch with such a flip differs by a few 1e-4 on
    one runtime or the other. A wrong formula agrees on no batch at all.
    """
    assert sum(d < 1e-4 for d in differences) >= len(differences) / 2, differences
    assert max(differences) < 2e-2, differences


@pytest.mark.parametrize("count", [32, 9], ids=["full batch", "part batch"])
def test_two_steps_agree_with_numpy(artifact: Artifact, made_up, count: int) -> None:
    spec = artifact.spec
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
        chosen = np.random.default_rng(seed).permutation(len(examples[0]))[:32]
        x, y = (column[chosen] for column in examples)
        reference = Reference(artifact.spec, disturbed(artifact))
        model.restore(reference.vector)
        differences.append(difference(model, reference, x, y, np.ones(32, F), settings))
    assert_agreement(differences)


def test_infer_agrees_with_numpy(artifact: Artifact, made_up) -> None:
    x, _ = made_up(artifact.spec)
    x = x[:40]
    model, reference = TrainableModel(artifact), Reference(artifact.spec, disturbed(artifact))
    model.restore(reference.vector)
    expected, _, _ = reference.forward(x)
    if artifact.spec.architecture in ("logistic", "mlp", "cnn1d"):
        expected = np.exp(expected - expected.max(axis=1, keepdims=True))
        expected /= expected.sum(axis=1, keepdims=True)
    # One level of the last activation is the largest that rounding could make a difference.
    np.testing.assert_allclose(model.infer(x).reshape(40, -1), expected, atol=0.05)
    assert np.abs(model.infer(x).reshape(40, -1) - expected).mean() < 1e-4


def test_a_row_of_weight_0_changes_nothing(artifact: Artifact, made_up) -> None:
    x, y = (column[:8] for column in made_up(artifact.spec))
    short, padded = TrainableModel(artifact), TrainableModel(artifact)
    extended = np.concatenate([x, 100 * x])
    weight = np.repeat([1.0, 0.0], 8).astype(F)
    short.train_step(x, y, weight[:8], learning_rate=0.1)
    padded.train_step(extended, np.concatenate([y, y]), weight, learning_rate=0.1)
    np.testing.assert_allclose(padded.parameters(), short.parameters(), atol=1e-6)
