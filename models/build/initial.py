"""First parameters: seeded He initialisation, and ranges measured on standard-normal input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.build.layers import (
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
from models.spec import Role

Array = NDArray[np.float64]

_CALIBRATION_EXAMPLES = 64
# Ranges are rounded to this, so that another BLAS gives the same bytes.
_RANGE_GRID = 1.0 / 16.0


def initial_parameters(net: Network, seed: int) -> NDArray[np.float32]:
    """float32[P]; the same network and seed give the same bits.

    Weights are N(0, 2 / fan_in) (He et al. 2015, arXiv:1502.01852), biases 0.
    Ranges are what normalised input is likely to need; training moves them.
    """
    generator = np.random.default_rng(seed)
    layout = net.layout()
    vector = np.zeros(layout[-1].offset + layout[-1].size, np.float32)
    blocks = {block.name: block for block in layout}
    for block in layout:
        if block.role is Role.WEIGHT:
            deviation = np.sqrt(2.0 / block.shape[1])
            vector[block.slice] = generator.normal(0.0, deviation, block.size)
    x = generator.normal(size=(_CALIBRATION_EXAMPLES, *net.input_shape))
    vector[blocks[INPUT_RANGE].slice] = _range(x)
    outputs: dict[str, Array] = {}
    for layer in net.layers:
        weight = blocks.get(f"{layer.name}.weight")
        values = None if weight is None else vector[weight.slice].reshape(weight.shape)
        x = applied(layer, x, values, outputs)
        x = np.maximum(x, 0.0) if has_relu(layer) else x
        outputs[layer.name] = x
        if f"{layer.name}.range" in blocks:
            vector[blocks[f"{layer.name}.range"].slice] = _range(x)
    return vector


def applied(
    layer: Layer, x: Array, weight: NDArray[np.float32] | None, outputs: dict[str, Array]
) -> Array:
    """A layer without its bias and relu, in NumPy: x float64[n, R, T, C], weight as its block."""
    if isinstance(layer, Mean):
        mean: Array = x.mean(axis=(1, 2), keepdims=True)
        return mean
    if isinstance(layer, Sum):
        return x + outputs[layer.other]
    if isinstance(layer, Unfold):
        return _unfolded(x, layer.factor)
    assert weight is not None
    patches = patches_of(layer, x)
    if isinstance(layer, Depthwise):
        taps = patches.reshape(*patches.shape[:3], layer.kernel, x.shape[3])
        product: Array = np.einsum("nrtkc,ck->nrtc", taps, weight.astype(np.float64))
        return product
    output: Array = patches @ weight.T.astype(np.float64)
    return output


def patches_of(layer: Convolution | Depthwise, x: Array) -> Array:
    """[n, R, T, C] -> [n, R', T', kernel rows * kernel * C]: what each output sees."""
    square = isinstance(layer, Convolution) and layer.square
    dilation = layer.dilation if isinstance(layer, Convolution) else 1
    reach = (layer.kernel - 1) * dilation + 1
    if isinstance(layer, Convolution) and layer.padded:
        side = ((reach - 1) // 2,) * 2
        x = np.pad(x, ((0, 0), side if square else (0, 0), side, (0, 0)))
    _, rows, steps, _ = x.shape
    tall = reach if square else 1
    stride_rows = layer.stride if square else 1
    return np.stack(
        [
            np.stack(
                [
                    x[:, r : r + tall, t : t + reach : dilation].reshape(len(x), -1)
                    for t in range(0, steps - reach + 1, layer.stride)
                ],
                axis=1,
            )
            for r in range(0, rows - tall + 1, stride_rows)
        ],
        axis=1,
    )


def _unfolded(x: Array, factor: int) -> Array:
    n, rows, steps, channels = x.shape
    inner = channels // factor**2
    blocks = x.reshape(n, rows, steps, factor, factor, inner).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, rows * factor, steps * factor, inner)


def _range(x: Array) -> tuple[float, float]:
    low, high = min(float(x.min()), 0.0), max(float(x.max()), _RANGE_GRID)
    return (
        float(np.floor(low / _RANGE_GRID) * _RANGE_GRID),
        float(np.ceil(high / _RANGE_GRID) * _RANGE_GRID),
    )
