"""Full-int8 inference: learned parameters written into an artifact's int8 .tflite.

The file's graph is fixed; only numbers change. Weights, per-channel scales,
int32 biases, and the scales and zero points of every activation are overwritten
where they lie, so no buffer changes its length and no TensorFlow is needed.
The arithmetic is that of the training graph's fake quantization
(Jacob et al. 2018, arXiv:1712.05877).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artifact import Artifact
from models.errors import ArtifactError, ParameterError
from models.examples import checked_examples
from models.interpreter import open_interpreter
from models.scores import answer
from models.spec import ModelSpec
from models.tflite_schema import Model, Operator, SubGraph, Tensor, TensorType
from models.vector import checked_vector

# As in the training graph: a span below this would make a scale of 0.
_SMALLEST_SPAN = np.float32(1e-6)
# TFLite's ADD computes with 20 bits to spare, and checks (not reports) that they suffice.
_SMALLEST_SUM_SCALE = np.float32(2.0**-16)
_INT32 = np.iinfo(np.int32)


def rewrite(artifact: Artifact, parameters: NDArray[np.float32], answer_at: str = "") -> bytes:
    """The artifact's int8 .tflite with `parameters`, float32[P], written into it.

    With `answer_at` it answers with that layer's output instead of the last one's.
    Raises ParameterError for a vector that does not fit, ArtifactError for a file whose tensors
    the layout does not name.
    """
    vector = checked_vector(artifact.spec, parameters)
    try:
        model = bytearray(artifact.int8_path.read_bytes())
    except OSError as error:
        raise ArtifactError(artifact.int8_path, f"cannot be read: {error.strerror}") from error
    try:
        _Rewriter(model, artifact.spec, vector).run(answer_at)
    except ParameterError as error:
        raise ArtifactError(artifact.int8_path, error.reason) from error
    return bytes(model)


class _Int8Graph:
    """Levels in, levels out, one example at a time."""

    def __init__(self, model: bytes, spec: ModelSpec, num_threads: int) -> None:
        self._spec = spec
        self._interpreter = open_interpreter(model, num_threads)
        source = self._interpreter.get_input_details()[0]
        target = self._interpreter.get_output_details()[0]
        if int(np.prod(source["shape"])) != int(np.prod(spec.input_shape)):
            raise ArtifactError(Path("<memory>"), f"takes {source['shape']}, not the spec's input")
        self._shape: tuple[int, ...] = tuple(source["shape"])
        self.output_shape: tuple[int, ...] = tuple(target["shape"])[1:]
        self._source: int = source["index"]
        self._target: int = target["index"]
        self._in_scale, self._in_zero = _quantization(source)
        self._out_scale, self._out_zero = _quantization(target)

    def levels(self, x: NDArray[np.float32]) -> NDArray[np.int8]:
        """x float32[n, ...] -> int8[n, *output_shape]"""
        levels = np.round(checked_examples(self._spec, x) / self._in_scale) + self._in_zero
        examples = np.clip(levels, -128, 127).astype(np.int8)
        output = np.empty((len(x), *self.output_shape), np.int8)
        for row, example in zip(output, examples, strict=True):
            self._interpreter.set_tensor(self._source, example.reshape(self._shape))
            self._interpreter.invoke()
            row[:] = self._interpreter.get_tensor(self._target)[0]
        return output

    def values(self, levels: NDArray[np.int8]) -> NDArray[np.float32]:
        """What the levels stand for, float32 of the same shape."""
        return (levels.astype(np.float32) - self._out_zero) * self._out_scale


class Int8Model:
    """Inference by a rewritten int8 .tflite; answers mean what TrainableModel.infer's do."""

    def __init__(self, model: bytes, spec: ModelSpec, num_threads: int = 1) -> None:
        self.spec = spec
        self._graph = _Int8Graph(model, spec, num_threads)

    def infer(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x float32[n, ...] normalised -> float32[n, *spec.output_shape]"""
        output = self._graph.values(self._graph.levels(x))
        return answer(self.spec, output.reshape(len(x), *self.spec.output_shape))


class Int8Features:
    """The output of one layer, by int8 inference of all that comes before it."""

    def __init__(self, artifact: Artifact, parameters: NDArray[np.float32], layer: str) -> None:
        self._graph = _Int8Graph(rewrite(artifact, parameters, layer), artifact.spec, 1)

    def levels(self, x: NDArray[np.float32]) -> NDArray[np.int8]:
        """x float32[n, ...] normalised -> int8[n, rows, steps, channels]"""
        return self._graph.levels(x)

    def values(self, levels: NDArray[np.int8]) -> NDArray[np.float32]:
        """What the levels stand for: float32 of the same shape."""
        return self._graph.values(levels)


class _Rewriter:
    """Walks the graph's operators; every number goes in through a view of `model`."""

    def __init__(self, model: bytearray, spec: ModelSpec, vector: NDArray[np.float32]) -> None:
        self._root = Model.GetRootAs(model, 0)
        self._graph: SubGraph = self._root.Subgraphs(0)
        self._spec = spec
        self._vector = vector
        self._named = {block.name for block in spec.layout}

    def run(self, answer_at: str) -> None:
        for index in range(self._graph.TensorsLength()):
            tensor = self._graph.Tensors(index)
            # Constants have a buffer; what is left are the activations.
            if tensor.Type() == TensorType.INT8 and not self._buffer(tensor).size:
                self._write_range(tensor)
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            if operator.InputsLength() < 3:
                self._keep_apart(operator)
                continue
            source, weight, bias = (self._graph.Tensors(operator.Inputs(i)) for i in range(3))
            if _name(weight) in self._named:
                self._write_weight(weight)
            self._write_bias(source, weight, bias)
        if answer_at:
            self._graph.OutputsAsNumpy()[0] = self._index_of(answer_at)

    def _index_of(self, name: str) -> int:
        for index in range(self._graph.TensorsLength()):
            if _name(self._graph.Tensors(index)) == name:
                return index
        raise ParameterError(f"has no tensor {name!r}")

    def _write_range(self, tensor: Tensor) -> None:
        # What only moves numbers is called owner/name, and has its owner's range.
        owner = _name(tensor).partition("/")[0]
        scale, zero_point = _activation_quantization(self._block(f"{owner}.range"))
        tensor.Quantization().ScaleAsNumpy()[:] = scale
        tensor.Quantization().ZeroPointAsNumpy()[:] = zero_point

    def _keep_apart(self, operator: Operator) -> None:
        """A sum's scale must not be far below its parts': the runtime would abort the process."""
        parts = [self._graph.Tensors(index) for index in operator.InputsAsNumpy()]
        target = self._graph.Tensors(operator.Outputs(0)).Quantization().ScaleAsNumpy()
        largest = max(part.Quantization().ScaleAsNumpy()[0] for part in parts)
        target[:] = np.maximum(target, largest * _SMALLEST_SUM_SCALE)

    def _write_weight(self, weight: Tensor) -> None:
        values = self._block(_name(weight))
        largest = np.abs(values).max(axis=1)
        scale = np.maximum(largest, _SMALLEST_SPAN) * np.float32(1 / 127)
        quantized = np.clip(np.round(values / scale[:, np.newaxis]), -127, 127)
        if weight.Quantization().QuantizedDimension() == 3:  # depthwise: [.., kernel, channels]
            quantized = quantized.T
        self._buffer(weight).view(np.int8)[:] = quantized.reshape(-1)
        weight.Quantization().ScaleAsNumpy()[:] = scale

    def _write_bias(self, source: Tensor, weight: Tensor, bias: Tensor) -> None:
        # A mean's bias is not learnt and stays 0; its scale has to fit all the same.
        scale = source.Quantization().ScaleAsNumpy()[0] * weight.Quantization().ScaleAsNumpy()
        bias.Quantization().ScaleAsNumpy()[:] = scale
        if _name(bias) in self._named:
            levels = np.round(self._block(_name(bias)).astype(np.float64) / scale)
            self._buffer(bias).view(np.int32)[:] = np.clip(levels, _INT32.min, _INT32.max)

    def _block(self, name: str) -> NDArray[np.float32]:
        block = self._spec.block(name)
        return self._vector[block.slice].reshape(block.shape)

    def _buffer(self, tensor: Tensor) -> NDArray[np.uint8]:
        data = self._root.Buffers(tensor.Buffer()).DataAsNumpy()
        # The schema's accessor answers the integer 0 for an empty buffer.
        return data if isinstance(data, np.ndarray) else np.empty(0, np.uint8)


def _activation_quantization(limits: NDArray[np.float32]) -> tuple[np.float32, int]:
    """Scale and zero point of int8 over `limits`, float32[2], widened to hold 0."""
    low = np.minimum(limits[0], np.float32(0))
    span = np.maximum(np.maximum(limits[1], np.float32(0)) - low, _SMALLEST_SPAN)
    scale = span * np.float32(1 / 255)
    return scale, -128 - int(np.round(low / scale))


def _quantization(details: dict[str, Any]) -> tuple[np.float32, np.float32]:
    parameters = details["quantization_parameters"]
    return np.float32(parameters["scales"][0]), np.float32(parameters["zero_points"][0])


def _name(tensor: Tensor) -> str:
    name: bytes = tensor.Name()
    return name.decode()
