"""What the demo shows: a line for each round, and below it what each gateway is doing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from broker.protocol.messages import GatewayPresence
from perfuse.demo.links import LinkState

_COLUMNS = 3
_NARROW = 40
_HEAD = (
    f"{'version':>7}  {'reported':>8}  {'accuracy':>8}  {'macro-F1':>8}  "
    f"{'up KiB':>8}  {'saved':>6}  {'down KiB':>8}  {'seconds':>7}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One model version: its makers, its score on the held-out subjects, the bytes so far.

    Attributes:
        float32_bytes: what the updates so far would be as float32, without any envelope.
    """

    version: int
    cohort: int
    reported: int
    accuracy: float
    macro_f1: float
    uplink_bytes: int
    float32_bytes: int
    downlink_bytes: int
    seconds: float

    @property
    def saved(self) -> float:
        """How many times fewer bytes went up than float32 updates have; all messages count."""
        return self.float32_bytes / max(self.uplink_bytes, 1)


class Screen:
    """Prints rows; on a terminal it keeps the gateways' states below them, elsewhere beside."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._drawn = 0
        self._states: list[str] = []
        self._kinds: dict[str, str] = {}
        self._link: Callable[[str], LinkState | None] = lambda gateway: None

    def sensors(self, kinds: dict[str, str]) -> None:
        """Remember the kind of each gateway's sensor, to show it beside the gateway's name."""
        self._kinds = kinds

    def linked(self, link: Callable[[str], LinkState | None]) -> None:
        """Show each gateway's link, too."""
        self._link = link

    def say(self, text: str = "") -> None:
        """Print a line above the gateways' states."""
        self._wipe()
        print(text, file=self._out, flush=True)
        self._draw()

    def head(self) -> None:
        """Print the heading of the rows."""
        self.say(_HEAD)

    def row(self, row: Row) -> None:
        """Print a round's row."""
        made = f"{row.reported}/{row.cohort}" if row.cohort else "-"
        states = "" if self._live else "  " + " ".join(state.strip() for state in self._states)
        self.say(
            f"{row.version:>7}  {made:>8}  {row.accuracy:>8.3f}  {row.macro_f1:>8.3f}  "
            f"{row.uplink_bytes / 1024:>8.1f}  {row.saved:>5.1f}x  "
            f"{row.downlink_bytes / 1024:>8.1f}  {row.seconds:>7.1f}{states}"
        )

    def gateways(self, gateways: dict[str, GatewayPresence]) -> None:
        """Show what each gateway is doing."""
        if self._live:
            states = [
                f"{name} {self._kinds.get(name, ''):<6} {p.state:<11} {_version(p):>4} "
                f"{p.examples:>4} ex{self._link_text(name, '  ')}"
                for name, p in sorted(gateways.items())
            ]
        else:
            states = [
                f"{name}({self._kinds.get(name, '')}):{p.state}/{_version(p)}"
                f"{self._link_text(name, '/')}"
                for name, p in sorted(gateways.items())
            ]
        if states != self._states:
            self._wipe()
            self._states = states
            self._draw()

    def done(self) -> None:
        """Leave the states where they are and print no more of them."""
        self._wipe()
        self._states = []

    def _link_text(self, gateway: str, before: str) -> str:
        link = self._link(gateway)
        if link is None:
            return ""
        text = str(link)
        return before + (text if self._live else "".join(text.split()[1:]))

    def _draw(self) -> None:
        if not self._live or not self._states:
            return
        width = max(map(len, self._states))
        columns = _COLUMNS if width <= _NARROW else _COLUMNS - 1
        lines = [
            "   ".join(state.ljust(width) for state in self._states[i : i + columns])
            for i in range(0, len(self._states), columns)
        ]
        print("", *lines, sep="\n", file=self._out, flush=True)
        self._drawn = len(lines) + 1

    def _wipe(self) -> None:
        if self._drawn:
            # Up over what was drawn, and clear from there to the end of the screen.
            print(f"\x1b[{self._drawn}A\r\x1b[J", end="", file=self._out, flush=True)
            self._drawn = 0


def _version(presence: GatewayPresence) -> str:
    return "-" if presence.version is None else f"v{presence.version}"
