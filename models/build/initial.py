"""First parameters: seeded He initialisation, and ranges measured on standard-normal input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.build.architectures import INPUT_RANGE, Convolution, Layer, Network
from models.spec import Role

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
    x = generator.normal(size=(_CALIBRATION_EXAMPLES, net.steps, net.channels))
    vector[blocks[INPUT_RANGE].slice] = _range(x)
    for layer in net.layers:
        weight = blocks.get(f"{layer.name}.weight")
        x = _applied(layer, x, None if weight is None else vector[weight.slice])
        vector[blocks[f"{layer.name}.range"].slice] = _range(x)
    return vector


def _applied(
    layer: Layer, x: NDArray[np.float64], weight: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    if not isinstance(layer, Convolution) or weight is None:
        mean: NDArray[np.float64] = x.mean(axis=1, keepdims=True)
        return mean
    starts = range(0, x.shape[1] - layer.kernel + 1, layer.stride)
    patches = np.stack([x[:, s : s + layer.kernel].reshape(len(x), -1) for s in starts], axis=1)
    output: NDArray[np.float64] = patches @ weight.reshape(layer.channels_out, -1).T.astype(
        np.float64
    )
    return np.maximum(output, 0.0) if layer.relu else output


def _range(x: NDArray[np.float64]) -> tuple[float, float]:
    low, high = min(float(x.min()), 0.0), max(float(x.max()), _RANGE_GRID)
    return (
        float(np.floor(low / _RANGE_GRID) * _RANGE_GRID),
        float(np.ceil(high / _RANGE_GRID) * _RANGE_GRID),
    )
