"""The architectures, as lists of layers that both graphs are drawn from.

Every activation is [steps, channels]; a table or a flattened window is one
step. A dense layer is then a convolution over one step, and the training graph,
the int8 graph and the parameter layout need to know only two kinds of layer.
No TensorFlow here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import RequestError
from models.spec import ParameterBlock, Role

INPUT_RANGE = "input.range"


@dataclass(frozen=True, slots=True)
class Convolution:
    """[steps, channels_in] -> [(steps - kernel) // stride + 1, channels_out], valid padding."""

    name: str
    channels_out: int
    kernel: int = 1
    stride: int = 1
    relu: bool = False


@dataclass(frozen=True, slots=True)
class MeanOverSteps:
    """[steps, channels] -> [1, channels]."""

    name: str


Layer = Convolution | MeanOverSteps


@dataclass(frozen=True, slots=True)
class Network:
    """Layers over an input that is first reshaped to `steps` x `channels`."""

    steps: int
    channels: int
    layers: tuple[Layer, ...]

    def layout(self) -> tuple[ParameterBlock, ...]:
        """Weights and biases layer by layer, then the range of every quantized activation.

        A weight is [out, kernel * in]: one quantization scale a row.
        """
        pieces: list[tuple[str, tuple[int, ...], Role]] = []
        channels = self.channels
        for layer in self.layers:
            if isinstance(layer, Convolution):
                shape: tuple[int, ...] = (layer.channels_out, layer.kernel * channels)
                pieces.append((f"{layer.name}.weight", shape, Role.WEIGHT))
                pieces.append((f"{layer.name}.bias", (layer.channels_out,), Role.BIAS))
                channels = layer.channels_out
        pieces.append((INPUT_RANGE, (2,), Role.RANGE))
        pieces.extend((f"{layer.name}.range", (2,), Role.RANGE) for layer in self.layers)
        blocks: list[ParameterBlock] = []
        offset = 0
        for name, shape, role in pieces:
            blocks.append(ParameterBlock(name, shape, offset, role))
            offset += blocks[-1].size
        return tuple(blocks)


def network(architecture: str, input_shape: tuple[int, ...], outputs: int) -> Network:
    """The layers of `architecture`; `outputs` is the number of classes.

    Raises RequestError where the input does not suit the architecture.
    """
    features = math.prod(input_shape)
    if architecture == "cnn1d":
        return _cnn1d(input_shape, outputs)
    if architecture == "autoencoder":
        return _autoencoder(input_shape)
    if architecture == "mlp":
        hidden = (Convolution("dense1", 32, relu=True), Convolution("dense2", 16, relu=True))
        return Network(1, features, (*hidden, Convolution("scores", outputs)))
    if architecture in ("logistic", "svm"):
        return Network(1, features, (Convolution("scores", outputs),))
    raise RequestError("arch", f"{architecture!r} is not an architecture")


def _cnn1d(input_shape: tuple[int, ...], outputs: int) -> Network:
    if len(input_shape) != 2 or input_shape[0] < 40:
        raise RequestError("input", "cnn1d needs at least 40 steps and a channel, as in 200x6")
    steps, channels = input_shape
    layers = (
        Convolution("conv1", 24, kernel=12, stride=4, relu=True),
        Convolution("conv2", 32, kernel=4, stride=2, relu=True),
        Convolution("conv3", 40, kernel=3, stride=1, relu=True),
        MeanOverSteps("mean"),
        Convolution("scores", outputs),
    )
    return Network(steps, channels, layers)


def _autoencoder(input_shape: tuple[int, ...]) -> Network:
    """A table is coded whole; a window segment by segment, with one set of weights.

    A dense code of a whole window would have to learn every phase of a movement
    on its own, and with a gateway's few windows it learns the mean and no more.
    """
    segment = 1 if len(input_shape) == 1 else _segment(input_shape[0])
    width = segment * input_shape[-1]
    hidden = min(32, max(2, width // 2))
    layers = (
        Convolution("encoder", hidden, kernel=segment, stride=segment, relu=True),
        # Narrower than what it codes, or it would copy instead of learning.
        Convolution("code", min(8, max(1, width // 4))),
        Convolution("decoder", hidden, relu=True),
        Convolution("reconstruction", width),
    )
    return Network(input_shape[0] if len(input_shape) == 2 else 1, input_shape[-1], layers)


def _segment(steps: int) -> int:
    for length in range(min(16, steps), 3, -1):
        if steps % length == 0:
            return length
    raise RequestError("input", f"{steps} steps do not divide into segments of 4 to 16")
