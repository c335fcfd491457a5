"""Simple models of what sensors measure: plausible, seeded, endless. Not for physiology."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from firmware_bridge.gatt.battery import Battery
from firmware_bridge.gatt.blood_pressure import BloodPressure
from firmware_bridge.gatt.health_thermometer import Temperature
from firmware_bridge.gatt.heart_rate import HeartRate
from firmware_bridge.gatt.pulse_oximeter_continuous import Oximetry, PulseOximeterContinuous
from firmware_bridge.profiles import profile
from firmware_bridge.quantity import Quantity
from firmware_bridge.simulate import boards, metabolism, oximeters, polar_streams
from firmware_bridge.simulate.heart import rr_intervals
from firmware_bridge.simulate.measurement_model import Model, Models


def model_names() -> tuple[str, ...]:
    """Names of the profiles that have a model, sorted."""
    return tuple(sorted(_MODELS))


def model(profile_name: str) -> Model:
    """The model of a profile.

    Raises:
        LookupError: it has none; see ``model_names``.
    """
    found = _MODELS.get(profile_name)
    if found is None:
        raise LookupError(f"no model of {profile_name!r}, only of {', '.join(model_names())}")
    return found


def model_values(profile_name: str, rng: np.random.Generator) -> Iterator[bytes]:
    """Endless frames of a profile.

    Raises:
        LookupError: the profile has no model.
    """
    encode = profile(profile_name).encode
    assert encode is not None
    return map(encode, model(profile_name).measurements(rng))


def _heart_rate(rng: np.random.Generator) -> Iterator[HeartRate]:
    """A value a second with the beats that ended in it."""
    now_s, next_value_s = 0.0, 1.0
    beats: list[int] = []
    for rr_s in rr_intervals(rng):
        now_s += rr_s
        beats.append(round(rr_s * 1024))
        while now_s >= next_value_s:
            mean = sum(beats) / len(beats) if beats else rr_s * 1024
            yield HeartRate(round(60 * 1024 / mean), contact=True, rr_1024=tuple(beats))
            beats.clear()
            next_value_s += 1.0


def _temperature(rng: np.random.Generator) -> Iterator[Temperature]:
    """Armpit temperature that drifts by hundredths around 36.8 degrees."""
    value = 36.8
    while True:
        value += 0.05 * (36.8 - value) + rng.normal(0.0, 0.02)
        yield Temperature(Quantity(round(value, 1), "Cel"), site=1)


def _oximetry(rng: np.random.Generator) -> Iterator[PulseOximeterContinuous]:
    """Whole percents around 97, a pulse around 71."""
    saturation, pulse = 97.0, 71.0
    while True:
        saturation += 0.1 * (97.0 - saturation) + rng.normal(0.0, 0.3)
        pulse += 0.1 * (71.0 - pulse) + rng.normal(0.0, 1.0)
        yield PulseOximeterContinuous(
            Oximetry(float(min(100, round(saturation))), float(round(pulse)))
        )


def _blood_pressure(rng: np.random.Generator) -> Iterator[BloodPressure]:
    """One adult's cuff; the mean by the rule of thumb, a third of the way up."""
    while True:
        systolic = round(float(rng.normal(122.0, 6.0)))
        diastolic = min(round(float(rng.normal(78.0, 4.0))), systolic - 20)
        mean = round(diastolic + (systolic - diastolic) / 3)
        yield BloodPressure(
            float(systolic),
            float(diastolic),
            float(mean),
            unit="mm[Hg]",
            pulse_rate=float(round(float(rng.normal(70.0, 5.0)))),
        )


def _battery(rng: np.random.Generator) -> Iterator[Battery]:
    """A charge that goes by about a percent a value, and is charged at ten."""
    level = 100.0
    while True:
        yield Battery(round(level))
        level -= rng.uniform(0.5, 1.5)
        if level < 10:
            level = 100.0


_MODELS: Models = {
    "battery": Model(60.0, _battery),
    "heart_rate": Model(1.0, _heart_rate),
    "health_thermometer": Model(5.0, _temperature),
    "pulse_oximeter_continuous": Model(1.0, _oximetry),
    "blood_pressure": Model(60.0, _blood_pressure),
    **boards.MODELS,
    **metabolism.MODELS,
    **oximeters.MODELS,
    **polar_streams.MODELS,
}
