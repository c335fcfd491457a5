"""One forward pass in builtin ops whose gradients are builtin ops too.

Convolutions are patches times a matrix, and patches are slices, of a reshape by the stride where
there is one; the backward pass is then slices, pads and products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from models.build.layers import (
    INPUT,
    INPUT_RANGE,
    Convolution,
    Depthwise,
    Layer,
    Mean,
    Network,
    Sum,
    Unfold,
    has_relu,
)
from models.build.quantization import quantized_activation, quantized_weight

Tensor = Any


class Pass:
    """Collects the ranges that it used, in layout order.

    Args:
        net: whose layers to run.
        pieces: parameter blocks by name.
        new_range: (range, activation, whether relu) -> the range to quantize with.
    """

    def __init__(
        self,
        net: Network,
        pieces: dict[str, Tensor],
        new_range: Callable[[Tensor, Tensor, bool], Tensor],
    ) -> None:
        self._net = net
        self._pieces = pieces
        self._new_range = new_range
        self._outputs: dict[str, Tensor] = {}
        self.ranges: list[Tensor] = []

    def run(self, x: Tensor) -> Tensor:
        """[B, ...] -> [B, K]; a window is [B, T, C] inside, an image [B, R, T, C]."""
        batch = x.shape[0]
        rows, steps, channels = self._net.input_shape
        x = tf.reshape(x, [batch, steps, channels] if rows == 1 else [batch, rows, steps, channels])
        if self._net.begins_at == INPUT:
            x = self._quantized(x, INPUT_RANGE)
        self._outputs[self._net.begins_at] = x
        for layer in self._net.layers:
            x = self._applied(layer, x)
            if not isinstance(layer, Unfold):
                x = self._quantized(x, f"{layer.name}.range", has_relu(layer))
            self._outputs[layer.name] = x
        return tf.reshape(x, [batch, -1])

    def _applied(self, layer: Layer, x: Tensor) -> Tensor:
        if isinstance(layer, Mean):
            return tf.reduce_mean(x, axis=list(range(1, len(x.shape) - 1)), keepdims=True)
        if isinstance(layer, Sum):
            return x + self._outputs[layer.other]
        if isinstance(layer, Unfold):
            return tf.nn.depth_to_space(x, layer.factor)
        weight = quantized_weight(self._pieces[f"{layer.name}.weight"])
        bias = self._pieces[f"{layer.name}.bias"]
        if isinstance(layer, Depthwise):
            return _depthwise(x, weight, layer) + bias
        patches = _square_patches(x, layer) if layer.square else _patches(x, layer)
        *outer, width = patches.shape
        rows = 1
        for size in outer:
            rows *= size
        flat = tf.matmul(tf.reshape(patches, [rows, width]), weight, transpose_b=True)
        flat += bias
        return tf.reshape(flat, [*outer, layer.channels_out])

    def _quantized(self, x: Tensor, range_name: str, relu: bool = False) -> Tensor:
        limits = self._new_range(self._pieces[range_name], x, relu)
        self.ranges.append(limits)
        return quantized_activation(x, limits, relu)


def _patches(x: Tensor, layer: Convolution) -> Tensor:
    """[B, T, C] -> [B, T', kernel * C]; an image's steps when the kernel is 1."""
    if layer.kernel == layer.stride == 1:
        return x
    if layer.padded or layer.dilation > 1:
        return _dilated(x, layer)
    return _blocks(x, layer.kernel, layer.stride)


def _blocks(x: Tensor, kernel: int, stride: int) -> Tensor:
    """The kernel is a multiple of the stride: as many slices as strides fit into it."""
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


def _dilated(x: Tensor, layer: Convolution) -> Tensor:
    """Stride 1. Padding is zeros, as int8's zero point is."""
    margin = (layer.reach - 1) // 2 if layer.padded else 0
    if margin:
        x = tf.pad(x, [[0, 0], [margin, margin], [0, 0]])
    batch, steps, channels = x.shape
    count = steps - layer.reach + 1
    parts = [
        tf.slice(x, [0, j * layer.dilation, 0], [batch, count, channels])
        for j in range(layer.kernel)
    ]
    return tf.concat(parts, axis=2)


def _square_patches(x: Tensor, layer: Convolution) -> Tensor:
    """[B, R, T, C] -> [B, R', T', kernel^2 * C], rows first, as CONV_2D's weights lie."""
    kernel = layer.kernel
    if kernel == layer.stride:
        batch, rows, steps, channels = x.shape
        even = [rows // kernel * kernel, steps // kernel * kernel]
        if even != [rows, steps]:
            x = tf.slice(x, [0, 0, 0, 0], [batch, *even, channels])
        return tf.nn.space_to_depth(x, kernel)
    if layer.padded:
        margin = [kernel // 2, kernel // 2]
        x = tf.pad(x, [[0, 0], margin, margin, [0, 0]])
    batch, rows, steps, channels = x.shape
    size = [batch, rows - kernel + 1, steps - kernel + 1, channels]
    parts = [tf.slice(x, [0, i, j, 0], size) for i in range(kernel) for j in range(kernel)]
    return tf.concat(parts, axis=3)


def _depthwise(x: Tensor, weight: Tensor, layer: Depthwise) -> Tensor:
    """[B, T, C] and [C, kernel] -> [B, T', C]"""
    patches = _blocks(x, layer.kernel, layer.stride)
    batch, count, _ = patches.shape
    channels = x.shape[2]
    taps = tf.reshape(patches, [batch * count, layer.kernel, channels])
    products = taps * tf.transpose(weight)
    return tf.reshape(tf.reduce_sum(products, axis=1), [batch, count, channels])
