"""SGD with fake quantization, in NumPy and on its own: what the training graphs are held to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.build.architectures import network
from models.build.layers import Convolution, Depthwise, Mean, Network, Sum, Unfold, has_relu
from models.spec import INPUT, RECONSTRUCTION, REGRESSION, ModelSpec, Role, TrainingMode

F = np.float32
Array = NDArray[np.float32]


@dataclass
class Reference:
    """SGD with fake quantization, written out by hand; state as in the graph.

    Attributes:
        mode: the end of the network that learns; all of it when not given.
        nearest_tie: how far, in levels, the nearest activation so far was from the middle between
            two levels. There the last bit of a sum decides, and two runtimes need not agree.
    """

    spec: ModelSpec
    vector: Array
    mode: TrainingMode | None = None
    nearest_tie: float = 0.5
    net: Network = field(init=False)

    def __post_init__(self) -> None:
        outputs = len(self.spec.targets) or len(self.spec.classes)
        self.net = network(self.spec.architecture, self.spec.input_shape, outputs)
        if self.mode is not None:
            self.net = self.net.ending_with(self.mode.layers)
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
        gradient[~self.learns()] = 0
        self.velocity = F(momentum) * self.velocity + gradient
        self.vector = vector - F(learning_rate) * self.velocity
        for block in self.spec.layout:
            if block.name in ranges:
                self.vector[block.slice] = ranges[block.name]
        return float((share * losses).sum())

    def forward(self, x: Array, present: NDArray[np.bool_] | None = None):  # type: ignore[no-untyped-def]
        """Output [n, K], what backward needs, and the ranges used; frozen without `present`."""
        a = x.reshape(len(x), *self.net.input_shape)
        ranges: dict[str, Array] = {}
        tape: list[tuple[object, ...]] = []
        if self.net.begins_at == INPUT:
            a, _ = self.activation("input.range", a, False, present, ranges)
        outputs = {self.net.begins_at: a}
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
        exact = a * (F(1) / scale)
        levels = np.round(exact)
        bottom = max(zero, F(0)) if relu else zero
        near = np.abs(exact - levels)[(levels >= bottom - 1) & (levels <= zero + 256)]
        self.nearest_tie = min(self.nearest_tie, 0.5 - float(near.max(initial=0)))
        kept = (levels >= bottom) & (levels <= zero + 255)
        return np.clip(levels, bottom, zero + 255) * scale, kept

    def loss(self, x: Array, y: NDArray[np.int64], out: Array) -> tuple[Array, Array]:
        """Loss and its slope by output, each example on its own."""
        if self.spec.task in (RECONSTRUCTION, REGRESSION):
            whole = self.net.begins_at == INPUT
            truth = x if self.spec.task == RECONSTRUCTION and whole else y
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

    def learns(self) -> NDArray[np.bool_]:
        """bool[P]: weights and biases of the layers that learn."""
        found = np.zeros(self.vector.size, bool)
        for block in self.spec.layout:
            layer = block.name.rpartition(".")[0]
            chosen = self.mode is None or layer in self.mode.layers
            found[block.slice] = chosen and block.role is not Role.RANGE
        return found

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
