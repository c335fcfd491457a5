"""Models of Polar's measurement streams: a chest strap and an optical sensor, worn at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

import numpy as np

from firmware_bridge.polar import acc, ecg, gyro, ppg, ppi
from firmware_bridge.polar.pmd import PmdFrame, PmdType
from firmware_bridge.simulate.heart import HeartPhase, heart_phases, rr_intervals
from firmware_bridge.simulate.measurement_model import Model

# Since 2000, which is when these sensors' clocks begin.
_BEGAN_NS = 800_000_000 * 10**9
# As fast as frames of the accelerometer fit an attribute's 512 octets.
_FRAMES_PER_S = 5
_BEATS_PER_FRAME = 4
_BLUR_COUNTS = 20.0

Reading = tuple[float, ...]


def _stream(
    kind: PmdType, rate_hz: int, frame_type: int, compressed: bool, readings: Iterator[Reading]
) -> Iterator[PmdFrame]:
    """Frames of a fifth of a second, each with the time of its last reading."""
    size = rate_hz // _FRAMES_PER_S
    for index in count(1):
        timestamp_ns = _BEGAN_NS + round((index * size - 1) * 1e9 / rate_hz)
        taken = tuple(islice(readings, size))
        yield PmdFrame(kind, timestamp_ns, frame_type, compressed, taken)


def _ecg(rng: np.random.Generator) -> Iterator[PmdFrame]:
    """Microvolts."""

    def reading(heart: HeartPhase) -> Reading:
        return (round(1000 * heart.ecg_mv + rng.normal(0.0, 8.0)),)

    hearts = map(reading, heart_phases(rng, ecg.RATE_HZ))
    return _stream(PmdType.ECG, ecg.RATE_HZ, 0, False, hearts)


def _acc(rng: np.random.Generator) -> Iterator[PmdFrame]:
    """Milli-g of a chest that breathes."""

    def reading(heart: HeartPhase) -> Reading:
        x, y, z = rng.normal(0.0, 3.0, 3)
        return round(x), round(y + 25 * heart.breath), round(z + 1000)

    return _stream(PmdType.ACC, acc.RATE_HZ, 1, False, map(reading, heart_phases(rng, acc.RATE_HZ)))


def _ppg(rng: np.random.Generator) -> Iterator[PmdFrame]:
    """Three green lights, from which blood takes some away, and ambient light."""

    def reading(heart: HeartPhase) -> Reading:
        lights = 200_000 - 3_000 * heart.pulse + rng.normal(0.0, _BLUR_COUNTS, 3)
        return (*(round(light) for light in lights), round(rng.normal(15_000.0, _BLUR_COUNTS)))

    return _stream(PmdType.PPG, ppg.RATE_HZ, 0, True, map(reading, heart_phases(rng, ppg.RATE_HZ)))


def _gyro(rng: np.random.Generator) -> Iterator[PmdFrame]:
    """Counts of an arm that is nearly still."""
    readings = (tuple(round(v) for v in rng.normal(0.0, _BLUR_COUNTS, 3)) for _ in count())
    return _stream(PmdType.GYRO, gyro.RATE_HZ, 0, True, readings)


def _ppi(rng: np.random.Generator) -> Iterator[ppi.PpiFrame]:
    beats = map(_beat, rr_intervals(rng))
    now_ns = _BEGAN_NS
    while taken := tuple(islice(beats, _BEATS_PER_FRAME)):
        now_ns += 10**6 * sum(beat.interval_ms for beat in taken)
        yield ppi.PpiFrame(now_ns, taken)


def _beat(rr_s: float) -> ppi.Beat:
    return ppi.Beat(round(60 / rr_s), round(1000 * rr_s), error_ms=5, contact=True)


_EVEN: dict[str, Callable[[np.random.Generator], Iterator[PmdFrame]]] = {
    ecg.NAME: _ecg,
    acc.NAME: _acc,
    ppg.NAME: _ppg,
    gyro.NAME: _gyro,
}
MODELS = {name: Model(1 / _FRAMES_PER_S, frames) for name, frames in _EVEN.items()} | {
    ppi.NAME: Model(3.4, _ppi)
}
