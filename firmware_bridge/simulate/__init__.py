"""Simulated Bluetooth sensors: real GATT servers on a virtual radio. Needs the extra ``sim``."""
