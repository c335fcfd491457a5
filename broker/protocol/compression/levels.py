"""Scales and levels of quantized values as bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression.bits import pack, packed_bytes, unpack_octets
from broker.protocol.compression.golomb import (
    read_numbers,
    read_positions,
    write_numbers,
    write_positions,
)
from broker.protocol.compression.magnitude import Vector
from broker.protocol.compression.quantization import (
    STEPS,
    WIDTH,
    Blocks,
    Grid,
    dequantize,
    quantize,
    read_scales,
    write_scales,
)
from broker.protocol.compression.sections import Reader, refused, varint

Levels = NDArray[np.uint8] | NDArray[np.int16]

# Two bits a level or fewer leave a Golomb code nothing to gain, but for ternary's many zeros.
_GOLOMB_GRIDS = (Grid.Q4, Grid.Q8)


def write_values(
    vector: Vector, blocks: Blocks, grid: Grid, golomb: bool, generator: np.random.Generator
) -> bytes:
    """Write float32[n] as the grid has it."""
    if grid is Grid.FLOAT32:
        return vector.astype("<f4").tobytes()
    if not vector.size:
        return b""
    scales, levels = quantize(vector, blocks, grid, generator)
    return write_scales(scales) + _write_levels(levels, grid, golomb)


def read_values(reader: Reader, blocks: Blocks, grid: Grid, golomb: bool) -> Vector:
    """Read float32[n] back.

    Raises:
        RemoteProtocolError: it is not what :func:`write_values` writes.
    """
    if grid is Grid.FLOAT32:
        values = np.frombuffer(reader.take(4 * blocks.length), "<f4")
        return values.astype(np.float32, copy=False)
    if not blocks.length:
        return np.zeros(0, np.float32)
    scales = read_scales(reader.take(2 * blocks.starts.size))
    levels = _read_levels(reader, blocks.length, grid, golomb)
    return dequantize(scales, levels, blocks, grid)


def _write_levels(levels: NDArray[np.int16], grid: Grid, golomb: bool) -> bytes:
    if golomb and grid is Grid.TERNARY:
        used = np.flatnonzero(levels != 1)
        signs = levels[used] >> 1
        return varint(used.size) + write_positions(used) + pack(signs, 1)
    if golomb and grid in _GOLOMB_GRIDS:
        centred = levels.astype(np.int64) - STEPS[grid] // 2
        return write_numbers(np.where(centred < 0, -2 * centred - 1, 2 * centred))
    return pack(levels, WIDTH[grid])


def _read_levels(reader: Reader, count: int, grid: Grid, golomb: bool) -> Levels:
    steps = STEPS[grid]
    if golomb and grid is Grid.TERNARY:
        return _read_sparse_signs(reader, count)
    if golomb and grid in _GOLOMB_GRIDS:
        zigzag = read_numbers(reader, count, steps, count * steps).astype(np.int16)
        return (zigzag >> 1 ^ -(zigzag & 1)) + np.int16(steps // 2)
    levels = unpack_octets(reader.take(packed_bytes(count, WIDTH[grid])), count, WIDTH[grid])
    if int(levels.max()) > steps:
        raise refused(f"a level above {steps}")
    return levels


def _read_sparse_signs(reader: Reader, count: int) -> Levels:
    used = reader.varint()
    if used > count:
        raise refused(f"{used} levels that are not zero, of {count}")
    positions = read_positions(reader, used, count)
    levels = np.ones(count, np.uint8)
    levels[positions] = 2 * unpack_octets(reader.take(packed_bytes(used, 1)), used, 1)
    return levels
