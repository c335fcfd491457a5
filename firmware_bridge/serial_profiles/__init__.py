"""Frames of serial wearables and of those that speak a serial protocol over BLE."""
