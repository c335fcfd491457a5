"""What the serial pulse oximeters have in common: the marks of a missing value, and the samples."""

from __future__ import annotations

import numpy as np

from firmware_bridge.errors import FrameError
from firmware_bridge.ieee11073 import Value
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Channel, Sample
from firmware_bridge.sampling import Arrival, reading, waveform

PLETH = (Channel("pleth", "{count}"),)

NO_SPO2 = 127
NO_PULSE = 255


def spo2_of(profile: str, raw: int) -> Value:
    """Saturation in percent of a byte in which 127 stands for none.

    Raises:
        FrameError: any other value above 100.
    """
    if raw == NO_SPO2:
        return Absence.MEASUREMENT_FAILED
    if raw > 100:
        raise FrameError(profile, f"SpO2 {raw} is above 100 percent")
    return raw


def spo2_byte(value: Value) -> int:
    """Inverse of ``spo2_of``.

    Raises:
        ValueError: no whole percentage.
    """
    if isinstance(value, Absence):
        return NO_SPO2
    return whole("SpO2", value, 100)


def pulse_of(raw: int, none: int = NO_PULSE) -> Value:
    """Beats per minute of a word in which ``none`` stands for no pulse."""
    return Absence.MEASUREMENT_FAILED if raw == none else raw


def pulse_word(value: Value, none: int = NO_PULSE) -> int:
    """Inverse of ``pulse_of``.

    Raises:
        ValueError: not a whole number below ``none``.
    """
    if isinstance(value, Absence):
        return none
    return whole("pulse rate", value, none - 1)


def whole(field: str, value: float, most: int) -> int:
    """``value`` as a whole number of 0 to ``most``.

    Raises:
        ValueError: it is none.
    """
    if value != int(value) or not 0 <= value <= most:
        raise ValueError(f"{field} {value} is no whole number of 0 to {most}")
    return int(value)


def oximeter_sample(
    arrival: Arrival, spo2: Value, pulse_rate: Value, lost: Absence | None
) -> Sample:
    """One reading of saturation and pulse.

    ``lost`` is why neither can be trusted, by the flags around them; a 0, which some firmware
    shows instead of its mark for none, is a failed measurement too.
    """

    def trusted(value: Value, unit: str) -> Quantity:
        if isinstance(value, Absence):
            return Quantity(lost or value, unit)
        return Quantity(lost or (value if value > 0 else Absence.MEASUREMENT_FAILED), unit)

    return reading(
        arrival,
        "pulse_oximeter",
        arrival.received_ns,
        spo2=trusted(spo2, "%"),
        pulse_rate=trusted(pulse_rate, "/min"),
    )


def pleth_sample(arrival: Arrival, counts: tuple[int, ...], rate_hz: float) -> Sample:
    """The plethysmogram of one frame; its last count came with the arrival."""
    interval_ns = arrival.interval_ns(rate_hz)
    return waveform(
        arrival,
        "pleth",
        PLETH,
        np.array(counts, dtype=np.float32).reshape(-1, 1),
        timestamp_ns=arrival.received_ns - (len(counts) - 1) * interval_ns,
        interval_ns=interval_ns,
    )
