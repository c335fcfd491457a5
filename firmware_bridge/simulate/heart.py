"""A heart and what sensors see of it: beats, electrocardiogram, pulse wave. Seeded, endless."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_RESPIRATION_HZ = 0.25
# Place in the beat, width and height in millivolts of P, Q, R, S and T (after McSharry et al.,
# IEEE Trans. Biomed. Eng. 50 (2003), table 1; places as shares of the beat instead of angles).
_WAVES = (
    (0.18, 0.030, 0.12),
    (0.28, 0.010, -0.10),
    (0.30, 0.012, 1.00),
    (0.32, 0.010, -0.20),
    (0.55, 0.060, 0.28),
)
# The pulse reaches a finger about a quarter of a second after the heart's own R.
_PULSE_AT, _NOTCH_AT = 0.55, 0.80


@dataclass(frozen=True, slots=True)
class HeartPhase:
    """A moment of a beat.

    Attributes:
        phase: share of the beat that is over, in [0, 1).
        rr_s: how long this beat takes.
        begins: whether it is the first moment of its beat.
        breath: sine of the respiration, in [-1, 1].
    """

    phase: float
    rr_s: float
    begins: bool
    breath: float

    @property
    def rate(self) -> int:
        """Whole beats a minute."""
        return round(60.0 / self.rr_s)

    @property
    def ecg_mv(self) -> float:
        """Electrocardiogram, one lead, in millivolts."""
        return sum(
            height * math.exp(-(((self.phase - place) / width) ** 2) / 2)
            for place, width, height in _WAVES
        )

    @property
    def pulse(self) -> float:
        """Plethysmogram at a finger, in [0, 1]: a systolic wave and a smaller one after it."""
        systole = math.exp(-(((self.phase - _PULSE_AT) / 0.10) ** 2) / 2)
        return 0.8 * systole + 0.25 * math.exp(-(((self.phase - _NOTCH_AT) / 0.08) ** 2) / 2)


def rr_intervals(rng: np.random.Generator) -> Iterator[float]:
    """Seconds from beat to beat: they follow breathing and wander around 0.85."""
    wander, now_s = 0.0, 0.0
    while True:
        wander = 0.95 * wander + rng.normal(0.0, 0.008)
        breath = 0.03 * math.sin(2 * math.pi * _RESPIRATION_HZ * now_s)
        rr_s = float(np.clip(0.85 + breath + wander, 0.4, 1.5))
        now_s += rr_s
        yield rr_s


def heart_phases(rng: np.random.Generator, rate_hz: float) -> Iterator[HeartPhase]:
    """The heart at every reading of a sensor, from the beginning of a beat on."""
    intervals = rr_intervals(rng)
    rr_s, since_s, now_s, begins = next(intervals), 0.0, 0.0, True
    while True:
        breath = math.sin(2 * math.pi * _RESPIRATION_HZ * now_s)
        yield HeartPhase(since_s / rr_s, rr_s, begins, breath)
        since_s += 1.0 / rate_hz
        now_s += 1.0 / rate_hz
        begins = since_s >= rr_s
        if begins:
            since_s -= rr_s
            rr_s = next(intervals)


def saturations(rng: np.random.Generator) -> Iterator[float]:
    """Whole percents around 97, one a second."""
    value = 97.0
    while True:
        value += 0.1 * (97.0 - value) + rng.normal(0.0, 0.3)
        yield float(min(100, round(value)))
