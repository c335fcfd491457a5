"""What Linux tells of the machine: power, temperature, load and the kind of link.

Read from sysfs and procfs (Documentation/ABI/testing/sysfs-class-power, -thermal, -net). What a
machine does not have, or does not tell, is ``None``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_CELLULAR = ("wwan", "ppp", "usb", "cdc")
_ARPHRD_ETHER = "1"


class Machine:
    """Reads how the machine is.

    Args:
        root: the file system's root, such as ``Path("/")``.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._power = root / "sys/class/power_supply"
        self._thermal = root / "sys/class/thermal"
        self._net = root / "sys/class/net"
        self._routes = root / "proc/net/route"
        self._load = root / "proc/loadavg"

    def mains(self) -> bool | None:
        """Whether it is plugged in; ``None`` when nothing says so."""
        feeds = [path for path in _entries(self._power) if _read(path / "type") != "Battery"]
        online = [text for path in feeds if (text := _read(path / "online"))]
        if online:
            return any(text != "0" for text in online)
        states = [_read(path / "status") for path in self._batteries()]
        if not states:
            return None
        return "Discharging" not in states

    def battery_percent(self) -> float | None:
        """Charge of the emptiest battery that feeds the machine."""
        charges = [_number(path / "capacity") for path in self._batteries()]
        return min((charge for charge in charges if charge is not None), default=None)

    def temperature_c(self) -> float | None:
        """Temperature of the hottest zone."""
        zones = [_number(path / "temp") for path in _entries(self._thermal)]
        found = [zone / 1000 for zone in zones if zone is not None and -50_000 < zone < 200_000]
        return max(found, default=None)

    def load(self) -> float | None:
        """Runnable processes a core, averaged over a minute."""
        words = _read(self._load).split()
        return float(words[0]) / (os.cpu_count() or 1) if words else None

    def link(self) -> str | None:
        """Kind of the interface that the default route uses; ``None`` without a route."""
        name = self._default_interface()
        if name is None:
            return None
        interface = self._net / name
        if (interface / "wireless").exists() or (interface / "phy80211").exists():
            return "wifi"
        if name.startswith(_CELLULAR):
            return "cellular"
        wired = _read(interface / "type") == _ARPHRD_ETHER and (interface / "device").exists()
        return "ethernet" if wired else "other"

    def _batteries(self) -> list[Path]:
        """Those of the machine; a mouse's has the scope "Device"."""
        return [
            path
            for path in _entries(self._power)
            if _read(path / "type") == "Battery" and _read(path / "scope") != "Device"
        ]

    def _default_interface(self) -> str | None:
        routes = [line.split() for line in _read(self._routes).splitlines()[1:]]
        # Interface, destination, gateway, flags, reference count, use, metric, mask.
        defaults = [(int(r[6]), r[0]) for r in routes if len(r) > 7 and r[1] == r[7] == "00000000"]
        return min(defaults)[1] if defaults else None


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""  # a driver may refuse at any moment; then it does not tell


def _number(path: Path) -> float | None:
    try:
        return float(_read(path))
    except ValueError:
        return None
