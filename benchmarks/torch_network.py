"""The builder's networks in PyTorch, in plain float and with fake quantization."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from models.build.layers import Convolution, Network

# The figures of models/build/training_graph.py.
RANGE_STEP = 0.1
SMALLEST_SPAN = 1e-6


def plain_network(net: Network) -> nn.Sequential:
    """[B, C, T] -> [B, K], as one would write it in PyTorch."""
    layers: list[nn.Module] = []
    channels = net.channels
    for layer in net.layers:
        if isinstance(layer, Convolution):
            layers.append(nn.Conv1d(channels, layer.channels_out, layer.kernel, layer.stride))
            channels = layer.channels_out
            if layer.relu:
                layers.append(nn.ReLU())
        else:
            layers.append(nn.AdaptiveAvgPool1d(1))
    return nn.Sequential(*layers, nn.Flatten())


class QuantizedNetwork(nn.Module):
    """The same with int8 weights and activations, whose ranges are tracked."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self._layers = nn.ModuleList()
        self._relu = []
        channels = net.channels
        for layer in net.layers:
            if isinstance(layer, Convolution):
                module: nn.Module = nn.Conv1d(
                    channels, layer.channels_out, layer.kernel, layer.stride
                )
                channels = layer.channels_out
                self._relu.append(layer.relu)
            else:
                module = nn.AdaptiveAvgPool1d(1)
                self._relu.append(False)
            self._layers.append(module)
        self.register_buffer("_ranges", torch.zeros(len(net.layers) + 1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self._quantized(x, 0)
        for index, layer in enumerate(self._layers):
            if isinstance(layer, nn.Conv1d):
                weight = _Weight.apply(layer.weight)
                x = nn.functional.conv1d(x, weight, layer.bias, layer.stride)
                if self._relu[index]:
                    x = torch.relu(x)
            else:
                x = layer(x)
            x = self._quantized(x, index + 1)
        return x.flatten(1)

    def _quantized(self, x: torch.Tensor, index: int) -> torch.Tensor:
        limits = self._ranges[index]
        with torch.no_grad():
            low, high = torch.aminmax(x)
            slow = limits + RANGE_STEP * (torch.stack([low, high]) - limits)
            limits[0] = torch.minimum(torch.minimum(slow[0], low), torch.zeros(()))
            limits[1] = torch.maximum(torch.maximum(slow[1], high), torch.zeros(()))
            scale = (limits[1] - limits[0]).clamp_min(SMALLEST_SPAN) / 255
            zero_point = torch.round(-limits[0] / scale).to(torch.int32)
        # PyTorch's own kernel, forward and straight-through backward in one pass each.
        return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, 0, 255)


class _Weight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor) -> torch.Tensor:
        largest = weight.abs().amax(dim=(1, 2), keepdim=True)
        scale = largest.clamp_min(SMALLEST_SPAN) / 127
        return torch.round(weight / scale) * scale

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> torch.Tensor:
        return upstream
