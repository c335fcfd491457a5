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

from models.build.architectures import Convolution, Layer, Network

_SCHEMA_VERSION = 3
# Both convolutions: int8 with one scale a channel is their version 3.
_CONVOLUTION_VERSION = 3


def int8_graph(net: Network) -> bytes:
    """A .tflite int8[1, 1, T, C] -> int8[1, 1, 1, K], batch 1."""
    graph = _Graph()
    steps, channels = net.steps, net.channels
    here = graph.activation("input", steps, channels)
    first = here
    for layer in net.layers:
        steps, channels, here = _add(graph, layer, here, steps, channels)
    return graph.packed(first, here)


def _add(
    graph: _Graph, layer: Layer, source: int, steps: int, channels: int
) -> tuple[int, int, int]:
    if isinstance(layer, Convolution):
        steps_out = (steps - layer.kernel) // layer.stride + 1
        target = graph.activation(layer.name, steps_out, layer.channels_out)
        graph.convolution(layer, source, target, channels)
        return steps_out, layer.channels_out, target
    target = graph.activation(layer.name, 1, channels)
    graph.mean(layer.name, source, target, steps, channels)
    return 1, channels, target


class _Graph:
    """Collects tensors and operators of one subgraph."""

    def __init__(self) -> None:
        # Buffer 0 is the empty one by the schema's convention.
        self._buffers: list[Any] = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []

    def activation(self, name: str, steps: int, channels: int) -> int:
        return self._tensor(name, (1, 1, steps, channels), schema.TensorType.INT8, scales=1)

    def convolution(self, layer: Convolution, source: int, target: int, channels: int) -> None:
        out = layer.channels_out
        shape = (out, 1, layer.kernel, channels)
        weight = np.zeros(shape, np.int8)
        bias = _zeros(out)
        options = schema.Conv2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideW, options.strideH = layer.stride, 1
        options.fusedActivationFunction = (
            schema.ActivationFunctionType.RELU if layer.relu else schema.ActivationFunctionType.NONE
        )
        inputs = [
            source,
            self._tensor(f"{layer.name}.weight", shape, schema.TensorType.INT8, out, weight),
            self._tensor(f"{layer.name}.bias", (out,), schema.TensorType.INT32, out, bias),
        ]
        self._operator(0, inputs, target, schema.BuiltinOptions.Conv2DOptions, options)

    def mean(self, name: str, source: int, target: int, steps: int, channels: int) -> None:
        shape = (1, 1, steps, channels)
        weight = np.full(shape, 127, np.int8)
        inputs = [
            source,
            self._tensor(f"{name}.weight", shape, schema.TensorType.INT8, channels, weight),
            self._tensor(
                f"{name}.bias", (channels,), schema.TensorType.INT32, channels, _zeros(channels)
            ),
        ]
        quantization = self._tensors[inputs[1]].quantization
        quantization.scale = np.full(channels, 1.0 / (127.0 * steps), np.float32)
        quantization.quantizedDimension = 3
        options = schema.DepthwiseConv2DOptionsT()
        options.padding = schema.Padding.VALID
        options.strideW = options.strideH = options.depthMultiplier = 1
        self._operator(1, inputs, target, schema.BuiltinOptions.DepthwiseConv2DOptions, options)

    def packed(self, first: int, last: int) -> bytes:
        subgraph = schema.SubGraphT()
        subgraph.name = b"infer"
        subgraph.tensors, subgraph.operators = self._tensors, self._operators
        subgraph.inputs, subgraph.outputs = [first], [last]
        model = schema.ModelT()
        model.version = _SCHEMA_VERSION
        model.operatorCodes = [
            _code(schema.BuiltinOperator.CONV_2D, _CONVOLUTION_VERSION),
            _code(schema.BuiltinOperator.DEPTHWISE_CONV_2D, _CONVOLUTION_VERSION),
        ]
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

    def _operator(
        self, code: int, inputs: list[int], output: int, options_type: int, options: Any
    ) -> None:
        operator = schema.OperatorT()
        operator.opcodeIndex = code
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptionsType, operator.builtinOptions = options_type, options
        self._operators.append(operator)


def _zeros(count: int) -> Any:
    return np.zeros(count, np.int32)


def _code(builtin: int, version: int) -> Any:
    code = schema.OperatorCodeT()
    # Readers take the larger of the two codes; the old field is what old runtimes know.
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = version
    return code
