"""From a measurement to samples: what the receiver knows, and the two shapes of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.ieee11073 import Value
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence, Channel, Sample

_NONE_ABSENT: Mapping[int, Absence] = MappingProxyType({})
_MOST = float(np.finfo(np.float32).max)
_UNIX_EPOCH = datetime(1970, 1, 1)
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the receiver knows of a frame and the frame does not say.

    Attributes:
        sensor: configured name of the sensor.
        received_ns: when the frame came, in Unix nanoseconds.
        utc_offset_s: how far the sensor's civil clock is ahead of UTC.
        session_start_ns: when a CGM session began, if its 2AAA was read.
        rate_hz: sampling rate, where it was negotiated; else the profile's usual rate.
        factor: what a count is worth, where it was negotiated (Polar PMD settings).
    """

    sensor: str
    received_ns: int
    utc_offset_s: int = 0
    session_start_ns: int | None = None
    rate_hz: float | None = None
    factor: float = 1.0

    def civil_ns(self, moment: datetime | Absence | None) -> int:
        """Unix nanoseconds of a civil time of the sensor; of the arrival where it has none."""
        if moment is None or isinstance(moment, Absence):
            return self.received_ns
        since = moment - _UNIX_EPOCH
        seconds = since.days * 86_400 + since.seconds - self.utc_offset_s
        return seconds * _NS_PER_S + since.microseconds * 1_000

    def interval_ns(self, usual_rate_hz: float) -> int:
        """Nanoseconds between two readings."""
        return round(_NS_PER_S / (self.rate_hz or usual_rate_hz))


def no_samples(_measurement: object, _arrival: Arrival) -> tuple[Sample, ...]:
    """``to_samples`` of profiles that tell about the sensor and not about its wearer."""
    return ()


def reading(
    arrival: Arrival, stream: str, timestamp_ns: int, **quantities: Quantity | None
) -> Sample:
    """One aperiodic reading; its channels are the quantities that were sent, normalised."""
    sent = {name: given.normalised() for name, given in quantities.items() if given is not None}
    values = np.empty((1, len(sent)), dtype=np.float32)
    absent: dict[int, Absence] = {}
    for index, quantity in enumerate(sent.values()):
        value = _within_float32(quantity.value)
        if isinstance(value, Absence):
            absent[index] = value
            values[0, index] = np.nan
        else:
            values[0, index] = value
    return Sample(
        sensor=arrival.sensor,
        stream=stream,
        channels=tuple(Channel(name, quantity.unit) for name, quantity in sent.items()),
        timestamp_ns=timestamp_ns,
        interval_ns=0,
        values=values,
        absent=MappingProxyType(absent) if absent else _NONE_ABSENT,
    )


def waveform(
    arrival: Arrival,
    stream: str,
    channels: tuple[Channel, ...],
    values: NDArray[np.float32],
    *,
    timestamp_ns: int,
    interval_ns: int,
) -> Sample:
    """Evenly spaced readings of one frame, all present.

    Args:
        values: float32[n, C], one row per reading, one column per channel.
        timestamp_ns: time of the first row.
        interval_ns: time between two rows.
    """
    return Sample(
        sensor=arrival.sensor,
        stream=stream,
        channels=channels,
        timestamp_ns=timestamp_ns,
        interval_ns=interval_ns,
        values=values,
    )


def _within_float32(value: Value) -> Value:
    """FLOAT reaches 1e134, samples 3e38: what lies between has overflowed and not become inf."""
    if isinstance(value, Absence) or abs(value) <= _MOST:
        return value
    return Absence.POSITIVE_OVERFLOW if value > 0 else Absence.NEGATIVE_OVERFLOW
