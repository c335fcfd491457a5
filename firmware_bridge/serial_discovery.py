"""Telling what speaks on a serial line by what its bytes look like. Sans I/O.

The profiles are tried a line setting at a time. A profile fits where almost all bytes belong to
frames that its decoder takes; where several fit, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from firmware_bridge.errors import FrameError
from firmware_bridge.frame import decode_frame
from firmware_bridge.frame_envelope import DELIMITER, MAX_FRAME_BYTES
from firmware_bridge.frame_lines import FrameLines
from firmware_bridge.profile import SerialLink
from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.serial_profiles.resync import FrameScanner
from firmware_bridge.stream_decoder import OWN_FRAME

# Chance makes a frame of five bytes out of noise now and then, but not three with little between.
_FEWEST_FRAMES = 3
_LEAST_SHARE = 0.8
# Enough to tell; a line that babbles costs no more.
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class LineTrial:
    """One line setting and the profiles that use it.

    Attributes:
        baudrate, parity, stop_bits: of the line.
        profiles: names, our own frame's among them.
        commands: whose start command makes the sensor send; None where sensors send unasked.
    """

    baudrate: int
    parity: str
    stop_bits: int
    profiles: tuple[str, ...]
    commands: SerialLink | None = None


def line_trials(baudrates: Iterable[int] = ()) -> tuple[LineTrial, ...]:
    """The settings to try, those of sensors that send unasked first: they cost only listening.

    Args:
        baudrates: only these; all where none is given.
    """
    silent: dict[tuple[int, str, int], list[str]] = {(115200, "N", 1): [OWN_FRAME]}
    asked: list[LineTrial] = []
    for name in profile_names():
        link = profile(name).serial
        if link is None:
            continue
        setting = (link.baud, link.parity, link.stop_bits)
        if link.start:
            asked.append(LineTrial(*setting, (name,), link))
        else:
            silent.setdefault(setting, []).append(name)
    listening = [LineTrial(*setting, tuple(names)) for setting, names in silent.items()]
    wanted = frozenset(baudrates)
    return tuple(t for t in (*listening, *asked) if not wanted or t.baudrate in wanted)


@dataclass(slots=True)
class LineEvidence:
    """What one trial's line said.

    Attributes:
        trial: what was tried.
        received: bytes so far, beyond 64 KiB none is looked at.
    """

    trial: LineTrial
    received: int = 0
    _matches: list[_Match] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._matches = [_match_of(name) for name in self.trial.profiles]

    def receive(self, data: bytes) -> None:
        """Take bytes of the line."""
        data = data[: max(0, _BUFFER_BYTES - self.received)]
        self.received += len(data)
        for match in self._matches:
            match.receive(data)

    def fitting(self) -> tuple[str, ...]:
        """Names of the profiles that the bytes fit, the best first; empty for none."""
        fits = [match for match in self._matches if match.fits(self.received)]
        return tuple(match.name for match in sorted(fits, key=lambda match: -match.explained))


class _Match:
    """How much of the bytes one profile of the registry explains."""

    def __init__(
        self, name: str, cut: Callable[[bytes], list[bytes]], decode: Callable[[bytes], object]
    ) -> None:
        self.name = name
        self.explained = 0
        self._cut = cut
        self._decode = decode
        self._frames = 0
        self._longest = 0

    def receive(self, data: bytes) -> None:
        for frame in self._cut(data):
            try:
                self._decode(frame)
            except FrameError:
                continue
            self._frames += 1
            self._longest = max(self._longest, len(frame))
            self.explained += len(frame)

    def fits(self, received: int) -> bool:
        # The first and the last frame may be cut.
        whole = received - 2 * self._longest
        return self._frames >= _FEWEST_FRAMES and self.explained >= _LEAST_SHARE * whole


def _match_of(name: str) -> _Match:
    if name == OWN_FRAME:
        lines = FrameLines(MAX_FRAME_BYTES)
        return _Match(
            name,
            lambda data: [line + DELIMITER for line in lines.receive(data)],
            lambda frame: decode_frame(frame[:-1]),
        )
    found = profile(name)
    assert found.serial is not None
    return _Match(name, FrameScanner(found.serial).feed, found.decode)
