"""The training graph: four signatures over one flat vector, in builtin ops only.

What keeps a TFLite without Flex able to run this, and fast:
- convolutions are patches times a matrix, patches are slices of a reshape by
  the stride; the backward pass is then slices, pads and products,
- relu and the quantization clip are one maximum and one minimum,
- every quantizer has its gradient written by hand: straight through, nothing
  where it clipped (Jacob et al. 2018, arXiv:1712.05877),
- losses are log_softmax with one_hot, hinge, or squared error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from models.build.architectures import INPUT_RANGE, Convolution, Layer, Network
from models.spec import ParameterBlock, Role

Tensor = Any

# A range shrinks by this share of the way to each batch's extremes, and grows at once.
RANGE_STEP = 0.1
# Keeps a scale from being 0 where a weight row or an activation is all zero.
SMALLEST_SPAN = 1e-6


@dataclass(frozen=True, slots=True)
class Objective:
    """Loss per example and what `infer` answers, both from the last layer's [B, K] output."""

    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(x [B, F], y int32[B], output [B, K]) -> float32[B]"""
    answer: Callable[[Tensor], Tensor]


def objective(architecture: str, outputs: int) -> Objective:
    """Cross-entropy, multi-class hinge (Crammer and Singer 2001), or mean squared error."""
    if architecture == "autoencoder":
        return Objective(lambda x, y, out: tf.reduce_mean(tf.square(out - x), axis=1), tf.identity)
    if architecture == "svm":
        return Objective(lambda x, y, out: _hinge(tf.one_hot(y, outputs), out), tf.identity)
    return Objective(
        lambda x, y, out: -tf.reduce_sum(tf.one_hot(y, outputs) * tf.nn.log_softmax(out), axis=1),
        tf.nn.softmax,
    )


class TrainingModule(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    """Holds the flat vector, its momentum and its FedProx anchor; all float32[P]."""

    def __init__(
        self, net: Network, goal: Objective, input_shape: tuple[int, ...], batch_size: int
    ) -> None:
        super().__init__()
        self._net = net
        self._goal = goal
        self._batch = batch_size
        self._layout = net.layout()
        self._trained = sum(b.size for b in self._layout if b.role is not Role.RANGE)
        self._total = sum(b.size for b in self._layout)
        self._ranges = self._total - self._trained
        self._vector = tf.Variable(tf.zeros([self._total]), name="vector")
        self._momentum = tf.Variable(tf.zeros([self._total]), name="momentum")
        self._anchor = tf.Variable(tf.zeros([self._total]), name="anchor")
        batch = tf.TensorSpec([batch_size, *input_shape], tf.float32, name="x")
        scalar, flat = (tf.TensorSpec(shape, tf.float32) for shape in ([], [self._total]))
        self.entries = {
            "train": tf.function(self._train).get_concrete_function(
                x=batch,
                y=tf.TensorSpec([batch_size], tf.int32),
                sample_weight=tf.TensorSpec([batch_size], tf.float32),
                learning_rate=scalar,
                momentum=scalar,
                mu=scalar,
                correction=flat,
            ),
            "infer": tf.function(self._infer).get_concrete_function(x=batch),
            "parameters": tf.function(self._parameters).get_concrete_function(),
            "restore": tf.function(self._restore).get_concrete_function(parameters=flat),
        }

    def _train(
        self,
        *,
        x: Tensor,
        y: Tensor,
        sample_weight: Tensor,
        learning_rate: Tensor,
        momentum: Tensor,
        mu: Tensor,
        correction: Tensor,
    ) -> dict[str, Tensor]:
        vector = self._vector.read_value()
        pieces = self._pieces(vector)
        learnt = [pieces[b.name] for b in self._layout if b.role is not Role.RANGE]
        present = tf.cast(sample_weight > 0.0, tf.float32)
        pass_ = _Pass(self._net, pieces, lambda r, a, relu: _moved_range(r, a, relu, present))
        with tf.GradientTape() as tape:
            tape.watch(learnt)
            losses = self._goal.loss(self._flat(x), y, pass_.run(self._steps(x)))
            share = sample_weight / tf.maximum(tf.reduce_sum(sample_weight), SMALLEST_SPAN)
            loss = tf.reduce_sum(share * losses)
        gradients = [tf.reshape(g, [-1]) for g in tape.gradient(loss, learnt)]
        gradient = tf.concat([*gradients, tf.zeros([self._ranges])], axis=0)
        gradient += mu * (vector - self._anchor.read_value()) + correction
        velocity = momentum * self._momentum.read_value() + gradient
        self._momentum.assign(velocity)
        stepped = vector - learning_rate * velocity
        self._vector.assign(
            tf.concat([tf.slice(stepped, [0], [self._trained]), *pass_.ranges], axis=0)
        )
        return {"loss": loss}

    def _infer(self, x: Tensor) -> dict[str, Tensor]:
        pass_ = _Pass(self._net, self._pieces(self._vector.read_value()), lambda r, a, relu: r)
        return {"output": self._goal.answer(pass_.run(self._steps(x)))}

    def _parameters(self) -> dict[str, Tensor]:
        return {"parameters": self._vector.read_value()}

    def _restore(self, parameters: Tensor) -> dict[str, Tensor]:
        self._vector.assign(parameters)
        self._anchor.assign(parameters)
        self._momentum.assign(tf.zeros([self._total]))
        # A signature without an output is one that the converter drops.
        return {"parameters": tf.identity(parameters)}

    def _pieces(self, vector: Tensor) -> dict[str, Tensor]:
        cut = tf.split(vector, [b.size for b in self._layout])
        return {b.name: _shaped(piece, b) for b, piece in zip(self._layout, cut, strict=True)}

    def _steps(self, x: Tensor) -> Tensor:
        return tf.reshape(x, [self._batch, self._net.steps, self._net.channels])

    def _flat(self, x: Tensor) -> Tensor:
        return tf.reshape(x, [self._batch, -1])


class _Pass:
    """One forward pass; collects the ranges that it used, in layout order."""

    def __init__(
        self,
        net: Network,
        pieces: dict[str, Tensor],
        new_range: Callable[[Tensor, Tensor, bool], Tensor],
    ) -> None:
        self._layers = net.layers
        self._pieces = pieces
        self._new_range = new_range
        self.ranges: list[Tensor] = []

    def run(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, K]"""
        x = self._quantized(x, INPUT_RANGE)
        for layer in self._layers:
            x = self._quantized(self._applied(layer, x), f"{layer.name}.range", _is_relu(layer))
        return tf.reshape(x, [x.shape[0], -1])

    def _applied(self, layer: Layer, x: Tensor) -> Tensor:
        if not isinstance(layer, Convolution):
            return tf.reduce_mean(x, axis=1, keepdims=True)
        weight = _quantized_weight(self._pieces[f"{layer.name}.weight"])
        patches = _patches(x, layer.kernel, layer.stride)
        batch, steps, width = patches.shape
        flat = tf.matmul(tf.reshape(patches, [batch * steps, width]), weight, transpose_b=True)
        flat += self._pieces[f"{layer.name}.bias"]
        return tf.reshape(flat, [batch, steps, layer.channels_out])

    def _quantized(self, x: Tensor, range_name: str, relu: bool = False) -> Tensor:
        limits = self._new_range(self._pieces[range_name], x, relu)
        self.ranges.append(limits)
        return _quantized_activation(x, limits, relu)


def _is_relu(layer: Layer) -> bool:
    return isinstance(layer, Convolution) and layer.relu


def _shaped(piece: Tensor, block: ParameterBlock) -> Tensor:
    return tf.reshape(piece, block.shape) if len(block.shape) > 1 else piece


def _patches(x: Tensor, kernel: int, stride: int) -> Tensor:
    """[B, T, C] -> [B, (T - kernel) // stride + 1, kernel * C]"""
    if kernel == stride == 1:
        return x
    batch, steps, channels = x.shape
    count = (steps - kernel) // stride + 1
    blocks = count + kernel // stride - 1
    if blocks * stride != steps:
        x = tf.slice(x, [0, 0, 0], [batch, blocks * stride, channels])
    rows = tf.reshape(x, [batch, blocks, stride * channels])
    if kernel == stride:
        return rows
    parts = [
        tf.slice(rows, [0, j, 0], [batch, count, stride * channels])
        for j in range(kernel // stride)
    ]
    return tf.concat(parts, axis=2)


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow ships no types
def _quantized_weight(weight: Tensor) -> Any:
    """Symmetric int8, one scale a row; nothing is clipped, so the gradient is the identity."""
    largest = tf.reduce_max(tf.abs(weight), axis=1, keepdims=True)
    scale = tf.maximum(largest, SMALLEST_SPAN) * (1.0 / 127.0)
    return tf.round(weight / scale) * scale, lambda upstream: upstream


def _quantized_activation(x: Tensor, limits: Tensor, relu: bool) -> Tensor:
    """Asymmetric int8 over `limits` widened to hold 0; a relu is the clip's lower end."""
    low = tf.minimum(limits[0], 0.0)
    span = tf.maximum(tf.maximum(limits[1], 0.0) - low, SMALLEST_SPAN)
    scale = span * (1.0 / 255.0)
    zero = tf.round(low / scale)
    bottom = tf.maximum(zero, 0.0) if relu else zero

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def quantize(x: Tensor) -> Any:
        levels = tf.round(x * (1.0 / scale))
        kept = tf.minimum(tf.maximum(levels, bottom), zero + 255.0)

        def gradient(upstream: Tensor) -> Tensor:
            return upstream * tf.cast(tf.equal(kept, levels), tf.float32)

        return kept * scale, gradient

    return quantize(x)


def _moved_range(limits: Tensor, x: Tensor, relu: bool, present: Tensor) -> Tensor:
    """`limits` moved to the extremes of those rows of x [B, T, C] that are present.

    Outwards all the way, inwards by RANGE_STEP: a plain moving average clips the
    examples with the largest scores, whose gradient then vanishes just when it
    is needed, and training dies. Ranges always hold 0, so a row that is absent
    may count as one of zeros.
    """
    if relu:
        low = tf.constant(0.0)
    else:
        low = tf.minimum(tf.reduce_min(tf.reduce_min(x, axis=[1, 2]) * present), 0.0)
    high = tf.maximum(tf.reduce_max(tf.reduce_max(x, axis=[1, 2]) * present), 0.0)
    slow = limits + RANGE_STEP * (tf.stack([low, high]) - limits)
    return tf.stack([tf.minimum(slow[0], low), tf.maximum(slow[1], high)])


def _hinge(target: Tensor, scores: Tensor) -> Tensor:
    """max(0, 1 + best wrong score - right score), float32[B]"""
    right = tf.reduce_sum(target * scores, axis=1)
    # The margin is added to wrong classes only; the right one then contributes exactly 0.
    margins = scores + (1.0 - target)
    return tf.reduce_max(margins, axis=1) - right
