"""Delta frames of Polar PMD: a first reading in full, then blocks of differences.

A block is the width of a difference in bits, the count of readings, and the differences packed
least significant bit first, channel after channel, padded to whole octets. (Polar BLE SDK, online
measurement documentation, "compressed data"; checked against the SDK's public test frames.)
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware_bridge.gatt.octets import OctetReader, OctetWriter

Reading = tuple[int, ...]

# Sensors sum differences in 32-bit registers; a wider difference is a damaged frame.
_MAX_WIDTH = 32
# Short blocks pack tighter where the signal is uneven; the sensors' own are of this order.
_BLOCK_READINGS = 16


def decode_delta(octets: OctetReader, channels: int, size: int) -> tuple[Reading, ...]:
    """All readings that are left in ``octets``.

    Args:
        octets: at the first octet of the full reading.
        channels: values of a reading.
        size: octets of a value of the full reading; sums wrap around at this width.

    Raises:
        FrameError: a block is cut short, or its width is 0 or above 32 bits.
    """
    reading = tuple(octets.signed("first reading", size) for _ in range(channels))
    readings = [reading]
    half, mask = 1 << 8 * size - 1, (1 << 8 * size) - 1
    while octets.left:
        width = octets.u8("width of a difference")
        if not 1 <= width <= _MAX_WIDTH:
            raise octets.refuse(f"differences of {width} bits")
        count = octets.u8("readings of a block")
        packed = octets.unsigned("block", (count * channels * width + 7) // 8)
        differences = _unpacked(packed, width, count * channels)
        for at in range(0, count * channels, channels):
            summed = zip(reading, differences[at : at + channels], strict=True)
            reading = tuple((value + step + half & mask) - half for value, step in summed)
            readings.append(reading)
    return tuple(readings)


def encode_delta(octets: OctetWriter, readings: tuple[Reading, ...], size: int) -> None:
    """Inverse of ``decode_delta``, for at least one reading.

    Raises:
        ValueError: a value that does not fit ``size`` octets, or a jump above 32 bits.
    """
    for value in readings[0]:
        octets.signed("first reading", value, size)
    for at in range(1, len(readings), _BLOCK_READINGS):
        block = readings[at : at + _BLOCK_READINGS]
        before = readings[at - 1 : at - 1 + len(block)]
        pairs = [zip(new, old, strict=True) for new, old in zip(block, before, strict=True)]
        steps = [new - old for pair in pairs for new, old in pair]
        width = _width(steps)
        if width > _MAX_WIDTH:
            raise ValueError(f"differences of {width} bits")
        octets.u8("width of a difference", width)
        octets.u8("readings of a block", len(block))
        octets.octets(_packed(steps, width))


def _unpacked(packed: int, width: int, count: int) -> list[int]:
    mask, half = (1 << width) - 1, 1 << width - 1
    fields = ((packed >> index * width) & mask for index in range(count))
    return [field - (mask + 1) if field & half else field for field in fields]


def _packed(steps: list[int], width: int) -> bytes:
    mask = (1 << width) - 1
    packed = 0
    for index, step in enumerate(steps):
        packed |= (step & mask) << index * width
    return packed.to_bytes((len(steps) * width + 7) // 8, "little")


def _width(steps: Iterable[int]) -> int:
    """Bits that hold every step as two's complement."""
    return max((step if step >= 0 else ~step).bit_length() + 1 for step in steps)
