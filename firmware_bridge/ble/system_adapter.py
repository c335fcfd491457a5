"""The adapter of this machine: bleak's platform backend, and on Linux a watch over bluetoothd."""

from __future__ import annotations

import sys

import numpy as np

from firmware_bridge.backoff import Backoff
from firmware_bridge.ble.adapter import Adapter, StackWatch
from firmware_bridge.ble.bleak_radio import BleakRadio
from firmware_bridge.ble.link_limits import LinkLimits


def open_system_adapter(
    name: str = "",
    *,
    limits: LinkLimits | None = None,
    rng: np.random.Generator | None = None,
) -> Adapter:
    """Return an adapter; nothing is asked of the system before a sensor is read.

    Args:
        name: such as ``"hci1"``; the system's default one when empty.
        limits: how long what may take.
        rng: of the jitter; the operating system's unless given.
    """
    limits = limits if limits is not None else LinkLimits()
    rng = rng if rng is not None else np.random.default_rng()
    return Adapter(BleakRadio(name), _watch(limits, rng), limits=limits, rng=rng)


def _watch(limits: LinkLimits, rng: np.random.Generator) -> StackWatch | None:
    if sys.platform != "linux":
        return None
    from firmware_bridge.ble.bluez_watch import BluezWatch  # noqa: PLC0415  # D-Bus is Linux's

    return BluezWatch(Backoff(rng, floor_s=limits.backoff_floor_s, cap_s=limits.backoff_cap_s))
