"""Models of serial boards: OpenBCI Cyton and ProtoCentral HealthyPi."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import count

import numpy as np

from firmware_bridge.serial_profiles import healthypi, healthypi5, openbci_cyton
from firmware_bridge.simulate.heart import HeartPhase, heart_phases, saturations
from firmware_bridge.simulate.measurement_model import Model

_HEALTHYPI_HZ = 125.0
_ALPHA_HZ = 10.0
_COUNTS_PER_MV = 800
_PPG_BASE, _PPG_COUNTS = 100_000, 4_000
_BREATHS_PER_MIN = 15


def _cyton(rng: np.random.Generator) -> Iterator[openbci_cyton.CytonFrame]:
    """Eight electrodes on a scalp: alpha waves of 20 uV, noise; the board lies flat."""
    phases = rng.uniform(0, 2 * np.pi, openbci_cyton.CHANNELS)
    for index in count():
        alpha = 20.0 * np.sin(2 * np.pi * _ALPHA_HZ * index / openbci_cyton.RATE_HZ + phases)
        microvolts = alpha + rng.normal(0.0, 5.0, openbci_cyton.CHANNELS)
        yield cyton_frame(index, microvolts, (0.0, 0.0, 1.0))


def cyton_frame(
    index: int, microvolts: np.ndarray[tuple[int], np.dtype[np.float64]], g: tuple[float, ...]
) -> openbci_cyton.CytonFrame:
    """A frame of eight electrodes, float64[8], and an acceleration in g."""
    counts = np.rint(microvolts / openbci_cyton.UV_PER_COUNT)
    axes = (round(axis / openbci_cyton.G_PER_COUNT) for axis in g)
    return openbci_cyton.CytonFrame(
        index % 256, tuple(int(value) for value in counts), struct.pack(">3h", *axes)
    )


def _healthypi(rng: np.random.Generator) -> Iterator[healthypi.HealthyPiFrame]:
    percents, spo2 = saturations(rng), 97.0
    for index, heart in enumerate(heart_phases(rng, _HEALTHYPI_HZ)):
        if index % round(_HEALTHYPI_HZ) == 0:
            spo2 = next(percents)
        yield healthypi.HealthyPiFrame(
            *_waves(heart, rng),
            temperature_centi=3350,
            respiration_rate=_BREATHS_PER_MIN,
            spo2=int(spo2),
            heart_rate=heart.rate,
        )


def _healthypi5(rng: np.random.Generator) -> Iterator[healthypi5.HealthyPi5Frame]:
    percents, spo2 = saturations(rng), 97.0
    for index, heart in enumerate(heart_phases(rng, _HEALTHYPI_HZ)):
        if index % round(_HEALTHYPI_HZ) == 0:
            spo2 = next(percents)
        ecg, resp, infrared, red = _waves(heart, rng)
        # The board measures bioimpedance at half the rate.
        yield healthypi5.HealthyPi5Frame(ecg, None if index % 2 else resp, infrared, red, int(spo2))


def _waves(heart: HeartPhase, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Counts of electrocardiogram, respiration, infrared and red light."""
    ecg = round(_COUNTS_PER_MV * heart.ecg_mv + rng.normal(0.0, 5.0))
    # Blood takes light away.
    infrared = round(_PPG_BASE - _PPG_COUNTS * heart.pulse)
    return ecg, round(1_000 * heart.breath), infrared, round(0.6 * infrared)


MODELS = {
    openbci_cyton.NAME: Model(1 / openbci_cyton.RATE_HZ, _cyton),
    healthypi.NAME: Model(1 / _HEALTHYPI_HZ, _healthypi),
    healthypi5.NAME: Model(1 / _HEALTHYPI_HZ, _healthypi5),
}
