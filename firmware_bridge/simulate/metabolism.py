"""Models of glucose and weight: meals that come and go, a scale in the morning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import numpy as np

from firmware_bridge.gatt import cgm, glucose, weight
from firmware_bridge.quantity import Quantity
from firmware_bridge.simulate.measurement_model import Model

# A meter's clock has to say something.
_EPOCH = datetime(2025, 1, 1, 7)
_CGM_MINUTES = 5
_MEALS_H = (1.0, 6.0, 12.0)  # after seven in the morning


def glucose_mgdl(minutes: float) -> float:
    """Blood glucose of a healthy adult, by the minutes since the first morning."""
    hours = minutes / 60 % 24
    # A meal is at its height after an hour and gone after three.
    since = [hours - meal for meal in _MEALS_H if hours >= meal]
    return 92.0 + sum(45.0 * h * math.exp(1.0 - h) for h in since)


def _cgm(rng: np.random.Generator) -> Iterator[cgm.Cgm]:
    for index in count():
        # A session ends long before its minutes do not fit 16 bits.
        minutes = index * _CGM_MINUTES % (14 * 24 * 60)
        value = round(glucose_mgdl(minutes) + rng.normal(0.0, 3.0))
        yield cgm.Cgm((cgm.CgmRecord(float(value), minutes),))


def _glucose(rng: np.random.Generator) -> Iterator[glucose.Glucose]:
    """A fingertip every six hours, in kg/L, as American meters send it."""
    for index in count():
        minutes = 360.0 * index
        value = round(glucose_mgdl(minutes) + rng.normal(0.0, 6.0)) / 1e5
        blood = glucose.Concentration(Quantity(value, "kg/L"), fluid=1, location=1)
        yield glucose.Glucose(
            index % 0x10000, _EPOCH + timedelta(minutes=minutes % (365 * 1440)), measurement=blood
        )


def _weight(rng: np.random.Generator) -> Iterator[weight.Weight]:
    """One adult each morning, to the 50 g of a scale."""
    kilograms = 72.0
    while True:
        kilograms += 0.1 * (72.0 - kilograms) + rng.normal(0.0, 0.3)
        yield weight.Weight(round(20 * kilograms) / 20)


MODELS = {
    cgm.NAME: Model(60.0 * _CGM_MINUTES, _cgm),
    cgm.NAME_CRC: Model(60.0 * _CGM_MINUTES, _cgm),
    glucose.NAME: Model(6 * 3600.0, _glucose),
    weight.NAME: Model(24 * 3600.0, _weight),
}
