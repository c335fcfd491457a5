"""The two decimal floating-point words of medical sensors.

SFLOAT-Type (16 bit: exponent 4, mantissa 12) and FLOAT-Type (32 bit: exponent 8, mantissa 24) of
ISO/IEEE 11073-20601, annex F, both fields two's complement, value = mantissa * 10 **
exponent. Five words of exponent 0 are not numbers; the whole word is compared before anything is
taken apart, because the same mantissa under another exponent is an ordinary number.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from firmware_bridge.sample import Absence

Value = float | Absence
"""A number, or why there is none."""


@dataclass(frozen=True, slots=True)
class _Word:
    """One word format: its widths in bits and its words that are not numbers."""

    name: str
    exponent_bits: int
    mantissa_bits: int

    @property
    def specials(self) -> dict[int, Absence]:
        top = 1 << (self.mantissa_bits - 1)
        return {
            top - 1: Absence.NOT_A_NUMBER,
            top: Absence.NOT_AT_THIS_RESOLUTION,
            top - 2: Absence.POSITIVE_OVERFLOW,
            top + 2: Absence.NEGATIVE_OVERFLOW,
            top + 1: Absence.RESERVED,
        }


_SFLOAT = _Word("SFLOAT", exponent_bits=4, mantissa_bits=12)
_FLOAT = _Word("FLOAT", exponent_bits=8, mantissa_bits=24)
_SFLOAT_SPECIALS = _SFLOAT.specials
_FLOAT_SPECIALS = _FLOAT.specials
_POWERS: tuple[int, ...] = tuple(10**n for n in range(129))


def decode_sfloat(word: int) -> Value:
    """Value of a 16-bit SFLOAT word, correctly rounded; total over 0..0xFFFF."""
    special = _SFLOAT_SPECIALS.get(word)
    if special is not None:
        return special
    mantissa = word & 0xFFF
    exponent = word >> 12
    return _scaled(
        mantissa - 0x1000 if mantissa > 0x7FF else mantissa,
        exponent - 0x10 if exponent > 0x7 else exponent,
    )


def decode_float(word: int) -> Value:
    """Value of a 32-bit FLOAT word, correctly rounded; total over 0..0xFFFFFFFF."""
    special = _FLOAT_SPECIALS.get(word)
    if special is not None:
        return special
    mantissa = word & 0xFFFFFF
    exponent = word >> 24
    return _scaled(
        mantissa - 0x1000000 if mantissa > 0x7FFFFF else mantissa,
        exponent - 0x100 if exponent > 0x7F else exponent,
    )


def encode_sfloat(value: Value) -> int:
    """The SFLOAT word nearest to ``value``.

    Raises:
        ValueError: the value does not fit, or the absence has no word of its own.
    """
    return _encode(value, _SFLOAT)


def encode_float(value: Value) -> int:
    """The FLOAT word nearest to ``value``.

    Raises:
        ValueError: the value does not fit, or the absence has no word of its own.
    """
    return _encode(value, _FLOAT)


def _scaled(mantissa: int, exponent: int) -> float:
    # Integer true division rounds once; mantissa * 10.0 ** exponent would round twice and turn
    # 366e-1 into 36.6 plus noise.
    if exponent < 0:
        return mantissa / _POWERS[-exponent]
    return float(mantissa * _POWERS[exponent])


def _encode(value: Value, word: _Word) -> int:
    if isinstance(value, Absence):
        for raw, reason in word.specials.items():
            if reason is value:
                return raw
        raise ValueError(f"{word.name} has no word for {value}")
    mantissa, exponent = _fitted(value, word)
    mask = (1 << word.mantissa_bits) - 1
    exponent_mask = (1 << word.exponent_bits) - 1
    return (exponent & exponent_mask) << word.mantissa_bits | (mantissa & mask)


def _fitted(value: float, word: _Word) -> tuple[int, int]:
    """Mantissa and exponent of ``value``, the exponent as near to 0 as no loss allows."""
    decimal = Decimal(repr(value))
    if not decimal.is_finite():
        raise ValueError(f"{word.name} cannot carry {value}; pass the Absence")
    top = 1 << (word.mantissa_bits - 1)
    highest = (1 << (word.exponent_bits - 1)) - 1
    lowest = -highest - 1
    if decimal == 0:
        return 0, 0
    exponent = min(max(int(decimal.normalize().as_tuple().exponent), lowest), highest)
    if exponent > 0 and abs(decimal) < top - 2:
        exponent = 0
    for candidate in range(exponent, highest + 1):
        mantissa = int(decimal.scaleb(-candidate).to_integral_value(ROUND_HALF_EVEN))
        # At exponent 0 the words around the largest mantissa mean that there is no number.
        reserved = candidate == 0 and (mantissa & (2 * top - 1)) in word.specials
        if -top <= mantissa < top and not reserved:
            return mantissa, candidate
    raise ValueError(f"{value} is too large for {word.name}")
