"""Serial ports of this machine: listed, and opened. The only module that imports pyserial."""

from __future__ import annotations

import asyncio
import os
import stat
import termios
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import serial
from serial.tools import list_ports

from firmware_bridge.errors import SourceError
from firmware_bridge.profile import SerialLink
from firmware_bridge.serial_address import PortInfo, is_usb, resolve

ListPorts = Callable[[], Iterable[PortInfo]]


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How a line is set up.

    Attributes:
        baudrate: any that the driver takes.
        parity: ``"N"``, ``"E"`` or ``"O"``.
        stop_bits: 1 or 2.
    """

    baudrate: int = 115200
    parity: str = "N"
    stop_bits: int = 1

    @classmethod
    def of(cls, link: SerialLink | None) -> LineSettings:
        """Those of a profile; of our own frame where there is none."""
        return cls() if link is None else cls(link.baud, link.parity, link.stop_bits)

    def overridden(self, baudrate: int, parity: str, stop_bits: int) -> LineSettings:
        """With those that were given, which are neither 0 nor empty."""
        return LineSettings(
            baudrate or self.baudrate, parity or self.parity, stop_bits or self.stop_bits
        )


def system_ports() -> tuple[PortInfo, ...]:
    """The serial ports of this machine, in the order of their paths."""
    return tuple(
        PortInfo(
            port.device,
            port.description if port.description != "n/a" else "",
            port.vid,
            port.pid,
            port.serial_number or "",
        )
        for port in sorted(list_ports.comports())
    )


def open_line(
    sensor: str, address: str, settings: LineSettings, ports: ListPorts = system_ports
) -> serial.Serial:
    """Open the port of an address, for one reader alone and without waiting for bytes.

    Args:
        sensor: configured name of the sensor, for errors.
        address: see ``firmware_bridge.serial_address``; a USB one is looked up anew each time.
        settings: of the line.
        ports: lists what is plugged in.

    Raises:
        OSError: not there, not permitted, in use: it may be tried again.
        SourceError: never possible: not a character device, impossible settings.
    """
    path = resolve(address, ports()) if is_usb(address) else address
    if not stat.S_ISCHR(os.stat(path).st_mode):  # noqa: PTH116  # a port is no Path
        raise SourceError(sensor, f"{path} is not a character device")
    try:
        # Exclusive, because two readers would each get half of the bytes.
        return serial.Serial(
            path,
            settings.baudrate,
            parity=settings.parity,
            stopbits=settings.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (ValueError, OverflowError) as error:
        raise SourceError(sensor, f"{path}: {error}") from error
    except termios.error as error:  # it went away while it was being configured
        raise OSError(*error.args) from error


async def open_port(
    sensor: str, address: str, settings: LineSettings, ports: ListPorts = system_ports
) -> serial.Serial:
    """As ``open_line``, not on the loop, for some drivers take their time; cancelling it leaves
    no port open."""
    task = asyncio.create_task(
        asyncio.to_thread(open_line, sensor, address, settings, ports), name=f"open {address}"
    )
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if task.exception() is None:
            task.result().close()
        raise
