"""A recorded session as the values of a profile's characteristic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.gatt.blood_pressure import BloodPressure
from firmware_bridge.gatt.health_thermometer import Temperature
from firmware_bridge.gatt.heart_rate import HeartRate
from firmware_bridge.gatt.pulse_oximeter_continuous import Oximetry, PulseOximeterContinuous
from firmware_bridge.profiles import profile
from firmware_bridge.quantity import Quantity
from firmware_bridge.recording import RecordedSession


def recorded_values(profile_name: str, session: RecordedSession) -> Iterator[bytes]:
    """One value for each reading, in the session's order; gaps between segments are not kept.

    Args:
        profile_name: one of those that have a model (see ``physiology.model_names``).
        session: has the profile's channels, in the units of samples; others are passed over.

    Raises:
        LookupError: the profile cannot be made of a recording, or a channel is missing.
        ValueError: a reading that the wire cannot carry.
    """
    row = _ROWS.get(profile_name)
    if row is None:
        raise LookupError(f"no recording is made to {profile_name!r}, only to {', '.join(_ROWS)}")
    names = [channel.name for channel in session.channels]
    missing = [name for name in row.channels if name not in names]
    if missing:
        raise LookupError(f"{profile_name} needs the channel {missing[0]!r}")
    columns = [names.index(name) for name in row.channels]
    return _values(profile_name, row, session, columns)


@dataclass(frozen=True, slots=True)
class _Row:
    """Channels of a reading, named as in the profile's samples, and the measurement of them."""

    channels: tuple[str, ...]
    measurement: Callable[[NDArray[np.float32]], Any]


def _values(
    profile_name: str, row: _Row, session: RecordedSession, columns: list[int]
) -> Iterator[bytes]:
    encode = profile(profile_name).encode
    assert encode is not None
    for segment in session.segments:
        for reading in segment.readings[:, columns]:
            yield encode(row.measurement(reading))


def _oximetry(reading: NDArray[np.float32]) -> PulseOximeterContinuous:
    return PulseOximeterContinuous(Oximetry(_tenths(reading[0]), _tenths(reading[1])))


def _blood_pressure(reading: NDArray[np.float32]) -> BloodPressure:
    return BloodPressure(_tenths(reading[0]), _tenths(reading[1]), _tenths(reading[2]))


def _tenths(value: np.float32) -> float:
    """What SFLOAT carries of a value below 204.8; above, it keeps whole numbers."""
    return round(float(value), 1) if abs(value) < 204 else float(round(float(value)))


_ROWS = {
    "heart_rate": _Row(("heart_rate",), lambda row: HeartRate(round(float(row[0])))),
    "health_thermometer": _Row(
        ("temperature",), lambda row: Temperature(Quantity(round(float(row[0]), 2), "Cel"))
    ),
    "pulse_oximeter_continuous": _Row(("spo2", "pulse_rate"), _oximetry),
    "blood_pressure": _Row(("systolic", "diastolic", "mean"), _blood_pressure),
}
