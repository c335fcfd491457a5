"""The architectures, as layers for an input and a number of outputs. No TensorFlow here."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.build.layers import Convolution, Depthwise, Layer, Mean, Network, Sum, Unfold
from models.errors import RequestError

_SMALLEST_IMAGE = 16


def network(architecture: str, input_shape: tuple[int, ...], outputs: int) -> Network:
    """The layers of `architecture`; `outputs` is the number of classes or of targets.

    Raises RequestError where the input does not suit the architecture.
    """
    try:
        draw = _DRAWN[architecture]
    except KeyError:
        raise RequestError("arch", f"{architecture!r} is not an architecture") from None
    return draw(input_shape, outputs)


def sparse_layers(net: Network) -> tuple[str, ...]:
    """The layers that mode `sparse` trains unless a request names others: the last two weights."""
    names = [layer.name for layer in net.layers if isinstance(layer, Convolution | Depthwise)]
    return tuple(names[-2:])


def head_layers(net: Network) -> tuple[str, ...]:
    """The layers that mode `head` trains: the last one."""
    return (net.layers[-1].name,)


def _logistic(input_shape: tuple[int, ...], outputs: int) -> Network:
    return Network(1, math.prod(input_shape), (Convolution("scores", outputs),))


def _mlp(input_shape: tuple[int, ...], outputs: int) -> Network:
    layers = (
        Convolution("dense1", 32, relu=True),
        Convolution("dense2", 16, relu=True),
        Convolution("scores", outputs),
    )
    return Network(1, math.prod(input_shape), layers)


def _cnn1d(input_shape: tuple[int, ...], outputs: int) -> Network:
    steps, channels = _window("cnn1d", input_shape, 40)
    layers = (
        Convolution("conv1", 24, kernel=12, stride=4, relu=True),
        Convolution("conv2", 32, kernel=4, stride=2, relu=True),
        Convolution("conv3", 40, kernel=3, stride=1, relu=True),
        Mean("mean"),
        Convolution("scores", outputs),
    )
    return Network(steps, channels, layers)


def _dscnn1d(input_shape: tuple[int, ...], outputs: int) -> Network:
    """Depthwise-separable: steps and channels are mixed in turns (MobileNet, arXiv:1704.04861)."""
    steps, channels = _window("dscnn1d", input_shape, 40)
    layers = (
        Convolution("conv1", 24, kernel=12, stride=4, relu=True),
        Depthwise("depth2", kernel=4, stride=2),
        Convolution("point2", 40, relu=True),
        Depthwise("depth3", kernel=3),
        Convolution("point3", 48, relu=True),
        Mean("mean"),
        Convolution("scores", outputs),
    )
    return Network(steps, channels, layers)


def _tcn(input_shape: tuple[int, ...], outputs: int) -> Network:
    """Dilated convolutions with residuals (Bai et al. 2018, arXiv:1803.01271), not causal.

    What stands for the whole window, such as an RR interval, is a channel that does not change.
    """
    steps, channels = _window("tcn", input_shape, 40)
    layers: list[Layer] = [Convolution("stem", 16, kernel=4, stride=2, relu=True)]
    for dilation in (1, 2, 4):
        before = layers[-1].name
        layers += [
            Convolution(
                f"dilated{dilation}", 16, kernel=3, relu=True, dilation=dilation, padded=True
            ),
            Sum(f"residual{dilation}", before),
        ]
    layers.append(Convolution("summary", 24, kernel=8, stride=8, relu=True))
    left = Network(steps, channels, tuple(layers)).shapes()["summary"][1]
    layers.append(Convolution("scores", outputs, kernel=left))
    return Network(steps, channels, tuple(layers))


def _forecast(input_shape: tuple[int, ...], outputs: int) -> Network:
    """Regression: what comes next after a window."""
    steps, channels = _window("forecast", input_shape, 12)
    left = (steps - 6) // 2 + 1
    layers = (
        Convolution("conv1", 16, kernel=6, stride=2, relu=True),
        Convolution("dense2", 24, kernel=left, relu=True),
        Convolution("value", outputs),
    )
    return Network(steps, channels, layers)


def _cnn2d(input_shape: tuple[int, ...], outputs: int) -> Network:
    rows, columns, channels = _image("cnn2d", input_shape, 1)
    layers = (
        Convolution("conv1", 12, kernel=3, relu=True, square=True),
        Convolution("down1", 16, kernel=2, stride=2, relu=True, square=True),
        Convolution("conv2", 24, kernel=3, relu=True, square=True),
        Convolution("down2", 32, kernel=2, stride=2, relu=True, square=True),
        Mean("mean"),
        Convolution("scores", outputs),
    )
    return Network(columns, channels, layers, rows)


def _unet(input_shape: tuple[int, ...], outputs: int) -> Network:
    """Segmentation: down twice, up twice, with a sum across at each size.

    After Ronneberger et al. 2015, arXiv:1505.04597; sums instead of its concatenations, because
    int8 wants one scale for all parts of a concatenation.
    """
    rows, columns, channels = _image("unet", input_shape, 4)

    def same(name: str, out: int) -> Convolution:
        return Convolution(name, out, kernel=3, relu=True, square=True, padded=True)

    layers = (
        same("enter1", 8),
        Convolution("down1", 16, kernel=2, stride=2, relu=True, square=True),
        same("enter2", 16),
        Convolution("down2", 24, kernel=2, stride=2, relu=True, square=True),
        same("middle", 24),
        Convolution("widen2", 4 * 16),
        Unfold("up2"),
        Sum("across2", "enter2", relu=True),
        same("leave2", 16),
        Convolution("widen1", 4 * 8),
        Unfold("up1"),
        Sum("across1", "enter1", relu=True),
        same("leave1", 8),
        Convolution("scores", outputs),
    )
    return Network(columns, channels, layers, rows)


def _autoencoder(input_shape: tuple[int, ...], outputs: int) -> Network:
    """A table is coded whole; a window segment by segment, with one set of weights.

    A dense code of a whole window would have to learn every phase of a movement
    on its own, and with a gateway's few windows it learns the mean and no more.
    """
    del outputs
    if len(input_shape) > 2:
        raise RequestError("input", "autoencoder takes a table or a window, as in 13 or 200x6")
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


def _window(architecture: str, shape: tuple[int, ...], steps: int) -> tuple[int, int]:
    if len(shape) != 2 or shape[0] < steps:
        raise RequestError(
            "input", f"{architecture} needs at least {steps} steps and a channel, as in 200x6"
        )
    return shape[0], shape[1]


def _image(architecture: str, shape: tuple[int, ...], multiple: int) -> tuple[int, int, int]:
    if len(shape) != 3 or min(shape[:2]) < _SMALLEST_IMAGE or any(n % multiple for n in shape[:2]):
        of = f", both multiples of {multiple}," if multiple > 1 else ""
        raise RequestError(
            "input",
            f"{architecture} needs at least {_SMALLEST_IMAGE} rows and columns{of} and a channel, "
            "as in 28x28x1",
        )
    return shape[0], shape[1], shape[2]


_DRAWN: dict[str, Callable[[tuple[int, ...], int], Network]] = {
    "logistic": _logistic,
    "svm": _logistic,
    "mlp": _mlp,
    "cnn1d": _cnn1d,
    "dscnn1d": _dscnn1d,
    "tcn": _tcn,
    "forecast": _forecast,
    "cnn2d": _cnn2d,
    "unet": _unet,
    "autoencoder": _autoencoder,
}
