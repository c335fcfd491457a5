"""Characteristics of the Bluetooth SIG's services (GATT Specification Supplement)."""
