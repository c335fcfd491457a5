"""Polar gyroscope (PMD type 5): delta coded, 16-bit counts or 32-bit floats (Verity Sense)."""

from __future__ import annotations

from functools import partial

from firmware_bridge.polar.control_point import Setting, start
from firmware_bridge.polar.pmd import (
    Layout,
    PmdFrame,
    PmdType,
    decode_pmd,
    encode_pmd,
    pmd_json,
    pmd_link,
    pmd_sample,
    values_of,
)
from firmware_bridge.profile import Profile
from firmware_bridge.sample import Channel, Sample
from firmware_bridge.sampling import Arrival

NAME = "polar_gyro"
RATE_HZ = 52

LAYOUTS = {
    (0, True): Layout(channels=3, size=2),
    (1, True): Layout(channels=3, size=4, is_float=True),
}
_CHANNELS = (Channel("gx", "deg/s"), Channel("gy", "deg/s"), Channel("gz", "deg/s"))

decode = partial(decode_pmd, NAME, PmdType.GYRO, LAYOUTS)
encode = partial(encode_pmd, LAYOUTS)


def to_samples(m: PmdFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """One sample in degrees a second."""
    values = values_of(m, arrival.factor)
    return (pmd_sample(m, arrival, "gyroscope", _CHANNELS, values, RATE_HZ),)


PROFILES = (
    Profile(
        name=NAME,
        title="Polar gyroscope",
        aliases=("POLAR_PMD_GYRO",),
        decode=decode,
        encode=encode,
        to_json=pmd_json,
        to_samples=to_samples,
        gatt=pmd_link(
            start(
                PmdType.GYRO,
                (Setting.RATE_HZ, RATE_HZ),
                (Setting.RESOLUTION_BITS, 16),
                (Setting.RANGE, 2000),
                (Setting.CHANNELS, 3),
            )
        ),
    ),
)
