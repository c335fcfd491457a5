"""Polar optical sensor (PMD type 1): three green channels and ambient light, or more.

Frame type 0 is that of the OH1 and Verity Sense; 7 and 8 carry 16 and 24 channels and a status
word. Other types are settings of the optics and not a signal, and are refused.
"""

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

NAME = "polar_ppg"
RATE_HZ = 135

LAYOUTS = {
    (0, False): Layout(channels=4, size=3),
    (0, True): Layout(channels=4, size=3),
    (7, True): Layout(channels=17, size=3),
    (8, True): Layout(channels=25, size=3),
}
_AMBIENT = Channel("ambient", "{count}")

decode = partial(decode_pmd, NAME, PmdType.PPG, LAYOUTS)
encode = partial(encode_pmd, LAYOUTS)


def to_samples(m: PmdFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """One sample in counts; without the status word, which is no signal."""
    values = values_of(m, arrival.factor if m.compressed else 1.0)
    lights = values.shape[1] - 1
    channels = tuple(Channel(f"ppg{index}", "{count}") for index in range(lights))
    if m.frame_type == 0:
        channels = (*channels, _AMBIENT)
    else:
        values = values[:, :lights]
    return (pmd_sample(m, arrival, "ppg", channels, values, RATE_HZ),)


PROFILES = (
    Profile(
        name=NAME,
        title="Polar photoplethysmogram",
        aliases=("POLAR_PMD_PPG",),
        decode=decode,
        encode=encode,
        to_json=pmd_json,
        to_samples=to_samples,
        gatt=pmd_link(
            start(
                PmdType.PPG,
                (Setting.RATE_HZ, RATE_HZ),
                (Setting.RESOLUTION_BITS, 22),
                (Setting.CHANNELS, 4),
            )
        ),
    ),
)
