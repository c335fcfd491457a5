"""Which serial port a configuration means: a path, or a USB adapter wherever it is. Pure.

An address is a path such as ``/dev/serial/by-id/...``, or ``VID:PID`` or ``VID:PID:SERIAL`` in
hexadecimal, as lsusb writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_USB = re.compile(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})(?::(.{1,64}))?")


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port that is there.

    Attributes:
        path: of its character device.
        title: what the system says that it is; empty where it says nothing.
        vid: USB vendor, None where it is no USB adapter.
        pid: USB product.
        serial_number: of the adapter, where it has one.
    """

    path: str
    title: str = ""
    vid: int | None = None
    pid: int | None = None
    serial_number: str = ""

    @property
    def usb(self) -> str:
        """Its address as ``VID:PID[:SERIAL]``; empty where it is no USB adapter."""
        if self.vid is None or self.pid is None:
            return ""
        return f"{self.vid:04x}:{self.pid:04x}" + (self.serial_number and f":{self.serial_number}")


def require_address(address: str) -> None:
    """Check that an address is a path or a USB adapter's.

    Raises:
        ValueError: it is neither; only what has a colon and no slash can be.
    """
    if ":" in address and "/" not in address and not is_usb(address):
        raise ValueError(f"{address!r} is neither a path nor VID:PID, as 0403:6015")


def is_usb(address: str) -> bool:
    """Whether an address names a USB adapter and not a path."""
    return "/" not in address and _USB.fullmatch(address) is not None


def resolve(address: str, ports: Iterable[PortInfo]) -> str:
    """The path of the USB adapter of that address.

    Raises:
        OSError: it is not plugged in, or several are; tried again, for both change by hand.
    """
    found = _USB.fullmatch(address)
    assert found is not None
    vid, pid, serial_number = int(found[1], 16), int(found[2], 16), found[3]
    near = [port for port in ports if (port.vid, port.pid) == (vid, pid)]
    if serial_number:
        near = [port for port in near if port.serial_number == serial_number]
    if not near:
        raise OSError(f"no USB serial adapter {address} is plugged in")
    if len(near) > 1:
        which = ", ".join(sorted(f"{port.usb} at {port.path}" for port in near))
        raise OSError(f"{len(near)} USB serial adapters are {address}: {which}")
    return near[0].path
