"""Models of serial oximeters: a pulse wave with the rate and saturation beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from firmware_bridge.serial_profiles import bci_5byte, contec_5byte, contec_9byte, nonin_df2
from firmware_bridge.simulate.heart import HeartPhase, heart_phases, saturations
from firmware_bridge.simulate.measurement_model import Model


@dataclass(frozen=True, slots=True)
class _Finger:
    """One reading of a finger: the heart, percent of saturation."""

    heart: HeartPhase
    spo2: float

    @property
    def pulse_rate(self) -> float:
        return float(self.heart.rate)

    @property
    def wave(self) -> int:
        """0 to 127."""
        return round(10 + 100 * self.heart.pulse)

    @property
    def bar(self) -> int:
        """0 to 15."""
        return round(14 * self.heart.pulse)


def _fingers(rng: np.random.Generator, rate_hz: float) -> Iterator[_Finger]:
    percents = saturations(rng)
    readings_a_second, spo2 = round(rate_hz), 97.0
    for index, heart in enumerate(heart_phases(rng, rate_hz)):
        if index % readings_a_second == 0:
            spo2 = next(percents)
        yield _Finger(heart, spo2)


def _frames(
    rate_hz: float, frame: Callable[[_Finger], Any]
) -> Callable[[np.random.Generator], Iterator[Any]]:
    return lambda rng: map(frame, _fingers(rng, rate_hz))


def _contec_5byte(finger: _Finger) -> contec_5byte.Contec5Frame:
    return contec_5byte.Contec5Frame(
        finger.spo2, finger.pulse_rate, finger.wave, finger.bar, 6, pulse_beep=finger.heart.begins
    )


def _contec_9byte(finger: _Finger) -> contec_9byte.Contec9Frame:
    return contec_9byte.Contec9Frame(
        finger.spo2,
        finger.pulse_rate,
        finger.wave,
        finger.bar,
        signal_strength=6,
        pulse_beep=finger.heart.begins,
    )


def _bci_5byte(finger: _Finger) -> bci_5byte.BciFrame:
    return bci_5byte.BciFrame(
        finger.spo2, finger.pulse_rate, finger.wave, finger.bar, 8, pulse_beep=finger.heart.begins
    )


def _nonin(rng: np.random.Generator) -> Iterator[nonin_df2.NoninPacket]:
    fingers = _fingers(rng, nonin_df2.RATE_HZ)
    timer = 0
    while packet := tuple(islice(fingers, nonin_df2.FRAMES)):
        yield nonin_packet(
            packet[0].spo2, packet[0].pulse_rate, tuple(2 * f.wave for f in packet), timer
        )
        timer = (timer + 1) % 0x4000


def nonin_packet(
    spo2: float, pulse_rate: float, pleth: tuple[int, ...], timer: int
) -> nonin_df2.NoninPacket:
    """A third of a second of a finger that is well perfused: every average says the same."""
    good = nonin_df2.NoninStatus.ALWAYS | nonin_df2.NoninStatus.GOOD_PERFUSION
    statuses = (good | nonin_df2.NoninStatus.SYNC, *(good,) * (nonin_df2.FRAMES - 1))
    return nonin_df2.NoninPacket(
        tuple(int(status) for status in statuses),
        pleth,
        heart_rate=pulse_rate,
        spo2=spo2,
        heart_rate_extended=pulse_rate,
        spo2_extended=spo2,
        heart_rate_display=pulse_rate,
        spo2_display=spo2,
        heart_rate_extended_display=pulse_rate,
        spo2_extended_display=spo2,
        spo2_fast=spo2,
        spo2_beat=spo2,
        revision=1,
        timer=timer,
    )


MODELS = {
    contec_5byte.NAME: Model(1 / 60, _frames(60.0, _contec_5byte)),
    contec_9byte.NAME: Model(1 / 60, _frames(60.0, _contec_9byte)),
    bci_5byte.NAME: Model(1 / 100, _frames(100.0, _bci_5byte)),
    nonin_df2.NAME: Model(nonin_df2.FRAMES / nonin_df2.RATE_HZ, _nonin),
}
