"""A recorded session as the frames of a profile: characteristic values, or serial ones."""

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
from firmware_bridge.serial_profiles import (
    bci_5byte,
    contec_5byte,
    contec_9byte,
    healthypi,
    nonin_df2,
    openbci_cyton,
)
from firmware_bridge.simulate.boards import cyton_frame
from firmware_bridge.simulate.oximeters import nonin_packet


def recorded_names() -> tuple[str, ...]:
    """Names of the profiles that a recording can be made to, sorted."""
    return tuple(sorted(_ROWS))


def frames_interval_s(profile_name: str, interval_s: float) -> float:
    """Seconds between two frames of a recording whose readings are ``interval_s`` apart."""
    return interval_s * _ROWS[profile_name].readings


def recorded_values(profile_name: str, session: RecordedSession) -> Iterator[bytes]:
    """The frames of all readings, in the session's order; gaps between segments are not kept.

    Args:
        profile_name: one of ``recorded_names``.
        session: has the profile's channels, in the units of samples; others are passed over.

    Raises:
        LookupError: the profile cannot be made of a recording, or a channel is missing.
        ValueError: a reading that the wire cannot carry.
    """
    row = _ROWS.get(profile_name)
    if row is None:
        raise LookupError(
            f"no recording can be sent as {profile_name!r}, only as {', '.join(_ROWS)};"
            " leave the recording out for the values of a model"
        )
    names = [channel.name for channel in session.channels]
    missing = [name for name in row.channels if name not in names]
    if missing:
        raise LookupError(f"{profile_name} needs the channel {missing[0]!r}")
    columns = [names.index(name) for name in row.channels]
    return _values(profile_name, row, session, columns)


@dataclass(frozen=True, slots=True)
class _Row:
    """How readings become a measurement.

    Attributes:
        channels: of a reading, named as in the profile's samples.
        measurement: of the index of the frame and float32[C], or float32[readings, C].
        readings: that one frame takes; those that do not fill the last frame are left out.
    """

    channels: tuple[str, ...]
    measurement: Callable[[int, NDArray[np.float32]], Any]
    readings: int = 1


def _values(
    profile_name: str, row: _Row, session: RecordedSession, columns: list[int]
) -> Iterator[bytes]:
    encode = profile(profile_name).encode
    assert encode is not None
    rows = np.concatenate([segment.readings[:, columns] for segment in session.segments])
    for index in range(len(rows) // row.readings):
        first = index * row.readings
        taken = rows[first] if row.readings == 1 else rows[first : first + row.readings]
        yield encode(row.measurement(index, taken))


def _oximetry(_index: int, reading: NDArray[np.float32]) -> PulseOximeterContinuous:
    return PulseOximeterContinuous(Oximetry(_tenths(reading[0]), _tenths(reading[1])))


def _blood_pressure(_index: int, reading: NDArray[np.float32]) -> BloodPressure:
    return BloodPressure(_tenths(reading[0]), _tenths(reading[1]), _tenths(reading[2]))


def _contec_5byte(_index: int, reading: NDArray[np.float32]) -> contec_5byte.Contec5Frame:
    return contec_5byte.Contec5Frame(*_whole(reading[:2]), waveform=_wave(reading[2]))


def _contec_9byte(_index: int, reading: NDArray[np.float32]) -> contec_9byte.Contec9Frame:
    return contec_9byte.Contec9Frame(*_whole(reading[:2]), waveform=_wave(reading[2]))


def _bci_5byte(_index: int, reading: NDArray[np.float32]) -> bci_5byte.BciFrame:
    return bci_5byte.BciFrame(*_whole(reading[:2]), pleth=_wave(reading[2]))


def _nonin(index: int, readings: NDArray[np.float32]) -> nonin_df2.NoninPacket:
    spo2, pulse_rate = _whole(readings[0, :2])
    pleth = tuple(int(np.clip(np.rint(value), 0, 255)) for value in readings[:, 2])
    return nonin_packet(spo2, pulse_rate, pleth, index % 0x4000)


def _cyton(index: int, reading: NDArray[np.float32]) -> openbci_cyton.CytonFrame:
    electrodes = openbci_cyton.CHANNELS
    g = tuple(float(axis) for axis in reading[electrodes:])
    return cyton_frame(index, reading[:electrodes].astype(np.float64), g)


def _healthypi(_index: int, reading: NDArray[np.float32]) -> healthypi.HealthyPiFrame:
    ecg, resp, infrared, red, celsius, breaths, spo2, pulse = map(float, reading)
    waves = (round(ecg), round(resp), round(infrared), round(red))
    return healthypi.HealthyPiFrame(
        *waves, round(100 * celsius), round(breaths), round(spo2), round(pulse)
    )


def _whole(values: NDArray[np.float32]) -> tuple[float, float]:
    first, second = values
    return float(round(float(first))), float(round(float(second)))


def _wave(value: np.float32) -> int:
    return int(np.clip(np.rint(value), 0, 127))


def _tenths(value: np.float32) -> float:
    """What SFLOAT carries of a value below 204.8; above, it keeps whole numbers."""
    return round(float(value), 1) if abs(value) < 204 else float(round(float(value)))


_PLETH = ("spo2", "pulse_rate", "pleth")
_HEALTHYPI = (
    *("ecg", "resp", "ppg_ir", "ppg_red"),
    *("temperature", "respiration_rate", "spo2", "heart_rate"),
)
_CYTON = (*(f"ch{index}" for index in range(1, openbci_cyton.CHANNELS + 1)), "ax", "ay", "az")
_ROWS = {
    "heart_rate": _Row(("heart_rate",), lambda _, row: HeartRate(round(float(row[0])))),
    "health_thermometer": _Row(
        ("temperature",), lambda _, row: Temperature(Quantity(round(float(row[0]), 2), "Cel"))
    ),
    "pulse_oximeter_continuous": _Row(("spo2", "pulse_rate"), _oximetry),
    "blood_pressure": _Row(("systolic", "diastolic", "mean"), _blood_pressure),
    contec_5byte.NAME: _Row(_PLETH, _contec_5byte),
    contec_9byte.NAME: _Row(_PLETH, _contec_9byte),
    bci_5byte.NAME: _Row(_PLETH, _bci_5byte),
    nonin_df2.NAME: _Row(_PLETH, _nonin, readings=nonin_df2.FRAMES),
    openbci_cyton.NAME: _Row(_CYTON, _cyton),
    healthypi.NAME: _Row(_HEALTHYPI, _healthypi),
}
