"""Sensors over Bluetooth LE: one supervisor a sensor, one scanner and one turn an adapter."""

from __future__ import annotations

from firmware_bridge.ble.adapter import Adapter
from firmware_bridge.ble.ble_source import BleSource
from firmware_bridge.ble.link_limits import LinkLimits

__all__ = ["Adapter", "BleSource", "LinkLimits"]
