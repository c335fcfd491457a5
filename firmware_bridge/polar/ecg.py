"""Polar ECG (PMD type 0): raw frames of type 0, 24-bit microvolts (H10)."""

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

NAME = "polar_ecg"
RATE_HZ = 130

LAYOUTS = {(0, False): Layout(channels=1, size=3)}
_CHANNELS = (Channel("ecg", "uV"),)

decode = partial(decode_pmd, NAME, PmdType.ECG, LAYOUTS)
encode = partial(encode_pmd, LAYOUTS)


def to_samples(m: PmdFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """One sample in microvolts."""
    return (pmd_sample(m, arrival, "ecg", _CHANNELS, values_of(m, 1.0), RATE_HZ),)


PROFILES = (
    Profile(
        name=NAME,
        title="Polar electrocardiogram",
        aliases=("POLAR_PMD_ECG",),
        decode=decode,
        encode=encode,
        to_json=pmd_json,
        to_samples=to_samples,
        gatt=pmd_link(
            start(PmdType.ECG, (Setting.RATE_HZ, RATE_HZ), (Setting.RESOLUTION_BITS, 14))
        ),
    ),
)
