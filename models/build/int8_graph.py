"""The full-int8 inference graph, written straight in the .tflite schema.

Dense layers are 1 x 1 convolutions: both runtimes take one weight scale an output
channel there, and one kind of layer is less to rewrite. A mean is a depthwise
convolution with equal weights: MEAN itself rounds its zero point, and
is half a level off wherever scales differ. Tensors carry the names of the
layout's blocks, which is how `models.int8` later finds what to rewrite.
Scales and weights written here are placeholders.
"""

from __future__ import annotations

from typing import Any

import flatbuffers  # type: ignore[import-untyped]  # ships no types
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from models.build.layers import (
    INPUT,
    Convolution,
    Depthwise,
    Mean,
    Network,
    Shape,
    Sum,
    Unfold,
)

_SCHEMA_VERSION = 3
# The lowest versions that take int8, for both convolutions with one scale a channel.
_OPERATORS = (
    (schema.BuiltinOperator.CONV_2D, 3),
    (schema.BuiltinOperator.DEPTHWISE_CONV_2D, 3),
    (schema.BuiltinOperator.ADD, 2),
    (schema.BuiltinOperator.DEPTH_TO_SPACE, 1),
)
_CONVOLUTION, _DEPTHWISE, _ADD, _DEPTH_TO_SPACE = range(len(_OPERATORS))


def int8_graph(net: Network) -> bytes:
    """A .tflite int8[1, R, T, C] -> int8[1, R', T', K], batch 1."""
    graph = _Graph()
    shapes = net.shapes()
    here = first = graph.activation(INPUT, shapes[INPUT])
    tensors = {INPUT: first}
    source, owner = shapes[INPUT], INPUT
    for layer in net.layers:
        target = shapes[layer.name]
        # What only moves numbers has the range of what it moves: named after it.
        owner = f"{owner}/{layer.name}" if isinstance(layer, Unfold) else layer.name
        tensor = graph.activation(owner, target)
        if isinstance(layer, Convolution):
            graph.convolution(layer, here, tensor, source)
        elif isinstance(layer, Depthwise):
            graph.depthwise(layer, here, tensor, source)
        elif isinstance(layer, Mean):
            graph.mean(layer.name, here, tensor, source)
        elif isinstance(layer, Sum):
            graph.sum(layer, here, tensors[layer.other], tensor)
        else:
            graph.unfold(layer, here, tensor)
        tensors[layer.name] = here = tensor
        source = target
    return graph.packed(first, here)


class _Graph:
    """Collects tensors and operators of one subgraph."""

    def __init__(self) -> None:
        # Buffer 0 is the empty one by the schema's convention.
        self._buffers: list[Any] = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []

    def activation(self, name: str, shape: Shape) -> int:
        return self._tensor(name, (1, *shape), schema.TensorType.INT8, scales=1)

    def convolution(self, layer: Convolution, source: int, target: int, shape: Shape) -> None:
        rows = layer.kernel if layer.square else 1
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.SAME if layer.padded else schema.Padding.VALID
        options.strideW, options.strideH = layer.stride, layer.stride if layer.square else 1
        options.dilationWFactor = layer.dilation
        options.fusedActivationFunction = _activation(layer.relu)
        weights = (layer.channels_out, rows, layer.kernel, shape[2])
        inputs = [source, *self._weights(layer.name, weights, 0)]
        self._operator(_CONVOLUTION, inputs, target, "Conv2DOptions", options)

    def depthwise(self, layer: Depthwise, source: int, target: int, shape: Shape) -> None:
        inputs = [source, *self._weights(layer.name, (1, 1, layer.kernel, shape[2]), 3)]
        options = _depthwise_options(layer.stride, layer.relu)
        self._operator(_DEPTHWISE, inputs, target, "DepthwiseConv2DOptions", options)

    def mean(self, name: str, source: int, target: int, shape: Shape) -> None:
        rows, steps, channels = shape
        inputs = [source, *self._weights(name, (1, rows, steps, channels), 3)]
        weight = self._tensors[inputs[1]]
        weight.quantization.scale = np.full(channels, 1.0 / (127.0 * rows * steps), np.float32)
        self._buffers[weight.buffer].data[:] = 127
        options = _depthwise_options(1, relu=False)
        self._operator(_DEPTHWISE, inputs, target, "DepthwiseConv2DOptions", options)

    def sum(self, layer: Sum, left: int, right: int, target: int) -> None:
        options = schema.AddOptionsT()
        options.fusedActivationFunction = _activation(layer.relu)
        self._operator(_ADD, [left, right], target, "AddOptions", options)

    def unfold(self, layer: Unfold, source: int, target: int) -> None:
        options = schema.DepthToSpaceOptionsT()
        options.blockSize = layer.factor
        self._operator(_DEPTH_TO_SPACE, [source], target, "DepthToSpaceOptions", options)

    def _weights(self, name: str, shape: tuple[int, ...], axis: int) -> tuple[int, int]:
        """Weight and bias tensors, one scale for each index of `axis`."""
        count = shape[axis]
        weight = self._tensor(
            f"{name}.weight", shape, schema.TensorType.INT8, count, np.zeros(shape, np.int8)
        )
        self._tensors[weight].quantization.quantizedDimension = axis
        zeros = np.zeros(count, np.int32)
        return weight, self._tensor(f"{name}.bias", (count,), schema.TensorType.INT32, count, zeros)

    def packed(self, first: int, last: int) -> bytes:
        subgraph = schema.SubGraphT()
        subgraph.name = b"infer"
        subgraph.tensors, subgraph.operators = self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = [first], [last]
        model = schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.operatorCodes = [_code(builtin, version) for builtin, version in _OPERATORS]
        model.subgraphs, model.buffers = [subgraph], self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _tensor(
        self, name: str, shape: tuple[int, ...], kind: int, scales: int, data: Any = None
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), kind
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = data.view(np.uint8).reshape(-1)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.ones(scales, np.float32)
            tensor.quantization.zeroPoint = np.zeros(scales, np.int64)
            tensor.quantization.quantizedDimension = 0
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _operator(self, code: int, inputs: list[int], output: int, kind: str, options: Any) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = code
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        self._operators.append(operator)


def _activation(relu: bool) -> int:
    kind: int = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    return kind


def _depthwise_options(stride: int, relu: bool) -> Any:
    options = schema.DepthwiseConv2DOptionsT()
    options.padding = schema.Padding.VALID
    options.strideW, options.strideH, options.depthMultiplier = stride, 1, 1
    options.fusedActivationFunction = _activation(relu)
    return options


def _code(builtin: int, version: int) -> Any:
    code = schema.OperatorCodeT()
    # Readers take the larger of the two codes; the old field is what old runtimes know.
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = version
    return code
