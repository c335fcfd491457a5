"""Levels and scales stand for the same bits in every version: models are stepped by them."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.compression.quantization import (
    STEPS,
    Blocks,
    Grid,
    dequantize,
    read_scales,
    write_scales,
)
from broker.protocol.errors import RemoteProtocolError

GRIDS = tuple(STEPS)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("edges", [[0], [0, 100, 131, 700]], ids=["even", "layers"])
@pytest.mark.parametrize("length", [1, 255, 256, 1000])
def test_a_level_is_its_correctly_rounded_place_times_the_scale(
    grid: Grid, edges: list[int], length: int
) -> None:
    steps, generator = STEPS[grid], np.random.default_rng(length)
    cut = [edge for edge in edges if edge < length]
    blocks = Blocks.cut(np.array(cut, np.int64), length, 256)
    scales = generator.random(blocks.starts.size).astype(np.float32)
    levels = generator.integers(0, steps + 1, length)
    levels[: min(length, steps + 1)] = np.arange(steps + 1)[:length]
    places = ((2 * levels - steps) / np.float64(steps)).astype(np.float32)
    expected = places * blocks.spread(scales)
    assert dequantize(scales, levels, blocks, grid).tobytes() == expected.tobytes()
    small = dequantize(scales, levels.astype(np.uint8), blocks, grid)
    assert small.tobytes() == expected.tobytes()


def test_even_blocks_are_those_of_one_edge() -> None:
    blocks = Blocks.cut(np.zeros(1, np.int64), 600, 256)
    assert blocks.starts.tolist() == [0, 256, 512]
    assert blocks.spread(np.array([1, 2, 3], np.float32)).sum() == 256 + 512 + 3 * 88


@pytest.mark.parametrize("value", [0.0, 1e-38, 1.0, 1e30])
def test_scales_that_can_be_are_read(value: float) -> None:
    scale = np.array([value], np.float32)
    coarse = (scale.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert read_scales(write_scales(scale)).tolist() == coarse.tolist()


@pytest.mark.parametrize("value", [-0.0, -1.0, 1.02e30, np.inf, -np.inf, np.nan])
def test_scales_that_cannot_be_are_refused(value: float) -> None:
    good_and_bad = np.array([1.0, value, 2.0], np.float32)
    with pytest.raises(RemoteProtocolError, match="a scale is not finite, negative or too large"):
        read_scales(write_scales(good_and_bad))
