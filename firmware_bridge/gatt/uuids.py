"""Assigned numbers of Bluetooth as the 128-bit text that stacks use."""

from __future__ import annotations


def sig_uuid(number: int) -> str:
    """128-bit UUID of a 16-bit assigned number (Core, Vol 3, Part B, 2.5.1), lower case."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"
