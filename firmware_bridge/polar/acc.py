"""Polar accelerometer (PMD type 2): milli-g raw (H10), or delta coded counts (optical sensors)."""

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

NAME = "polar_acc"
RATE_HZ = 200

LAYOUTS = {
    (0, False): Layout(channels=3, size=1),
    (1, False): Layout(channels=3, size=2),
    (2, False): Layout(channels=3, size=3),
    (0, True): Layout(channels=3, size=2),
    (1, True): Layout(channels=3, size=2),
}
_CHANNELS = (Channel("ax", "[g]"), Channel("ay", "[g]"), Channel("az", "[g]"))

decode = partial(decode_pmd, NAME, PmdType.ACC, LAYOUTS)
encode = partial(encode_pmd, LAYOUTS)


def to_samples(m: PmdFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """One sample in g."""
    return (
        pmd_sample(m, arrival, "acceleration", _CHANNELS, values_of(m, _g(m, arrival)), RATE_HZ),
    )


def _g(m: PmdFrame, arrival: Arrival) -> float:
    """What a count is worth: compressed type 0 in g times the factor, the others in milli-g."""
    if not m.compressed:
        return 1e-3
    return arrival.factor if m.frame_type == 0 else arrival.factor * 1e-3


PROFILES = (
    Profile(
        name=NAME,
        title="Polar accelerometer",
        aliases=("POLAR_PMD_ACC",),
        decode=decode,
        encode=encode,
        to_json=pmd_json,
        to_samples=to_samples,
        gatt=pmd_link(
            start(
                PmdType.ACC,
                (Setting.RATE_HZ, RATE_HZ),
                (Setting.RESOLUTION_BITS, 16),
                (Setting.RANGE, 8),
            )
        ),
    ),
)
