"""What every codec yields: samples, and the marks that label a stretch of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class Absence(StrEnum):
    """Why a channel has no value, instead of a NaN that nobody can explain."""

    NOT_A_NUMBER = "not-a-number"
    NOT_AT_THIS_RESOLUTION = "not-at-this-resolution"
    POSITIVE_OVERFLOW = "positive-overflow"
    NEGATIVE_OVERFLOW = "negative-overflow"
    RESERVED = "reserved"
    NO_CONTACT = "no-contact"
    MEASUREMENT_FAILED = "measurement-failed"
    NOT_SENT = "not-sent"
    SEARCHING = "searching"
    SENSOR_FAULT = "sensor-fault"
    CLOCK_NOT_SET = "clock-not-set"


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity and its UCUM unit, such as ``Channel("ax", "[g]")``."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One reading of a stream, or the evenly spaced readings that one frame carried.

    Attributes:
        sensor: configured name of the sensor.
        stream: what the sensor calls this stream, such as ``"imu"``.
        channels: the C channels of a reading.
        timestamp_ns: time of the first reading on the sensor's clock, in Unix nanoseconds
            where that clock is set.
        interval_ns: time between two readings; 0 for a single, aperiodic reading.
        values: float32[n, C]; NaN exactly where ``absent`` names the channel.
        absent: index of a channel without a value -> why.
    """

    sensor: str
    stream: str
    channels: tuple[Channel, ...]
    timestamp_ns: int
    interval_ns: int
    values: NDArray[np.float32]
    absent: Mapping[int, Absence] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Mark:
    """From ``timestamp_ns`` on, the sensor's wearer does ``label``; ``None`` ends it."""

    sensor: str
    timestamp_ns: int
    label: str | None
