"""What an agent is told of signal quality: ``[quality]`` in its configuration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from broker.settings import SettingError, require_range
from firmware_bridge.quality import ChannelOverride, Reason

_LEAST, _MOST = -1e12, 1e12


@dataclass(frozen=True, slots=True)
class QualityChannelSettings:
    """What is known better of one channel of the model than the table of limits knows.

    Attributes:
        name: of the channel, as in the model's spec.
        low, high: readings outside cannot be; the table's when not given.
        rails: ends of the sensor's scale; the table's when empty.
        still_s: seconds that the channel can stay exactly the same; the table's when not given.
    """

    name: str
    low: float | None = None
    high: float | None = None
    rails: tuple[float, ...] = ()
    still_s: float | None = None

    def __post_init__(self) -> None:
        for key in ("low", "high"):
            if (value := getattr(self, key)) is not None:
                require_range(f"quality.channel.{key}", value, _LEAST, _MOST)
        low = -math.inf if self.low is None else self.low
        if self.high is not None and not low < self.high:
            raise SettingError("quality.channel.high", f"{self.high:g} is not above low, {low:g}")
        for rail in self.rails:
            require_range("quality.channel.rails", rail, _LEAST, _MOST)
        if self.still_s is not None:
            require_range("quality.channel.still_s", self.still_s, 1e-3, 1e9)

    def override(self) -> ChannelOverride:
        """Return the same for the checks."""
        return ChannelOverride(self.name, self.low, self.high, self.rails or None, self.still_s)


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """Which windows are clean.

    Attributes:
        min_score: a check with a lower score makes a window unclean; 0 lets every window pass.
        ignore: reasons that do not count.
        hold_alerts: reasons for which alerts are held back, for the readings are not the wearer's.
        channel: what is known better of some channels.
    """

    min_score: float = 0.5
    ignore: tuple[str, ...] = ()
    hold_alerts: tuple[str, ...] = (Reason.RANGE, Reason.FLATLINE, Reason.DUPLICATE)
    channel: tuple[QualityChannelSettings, ...] = ()

    def __post_init__(self) -> None:
        require_range("quality.min_score", self.min_score, 0, 1)
        for key in ("ignore", "hold_alerts"):
            for reason in getattr(self, key):
                if reason not in tuple(Reason):
                    known = ", ".join(Reason)
                    raise SettingError(f"quality.{key}", f"{reason!r} is not one of {known}")
        names = [channel.name for channel in self.channel]
        if len(set(names)) != len(names):
            raise SettingError("quality.channel.name", "two entries are for one channel")

    def require_fit(self, channels: Iterable[str]) -> None:
        """Check that what is said of channels is said of the model's.

        Raises:
            SettingError: one of them is none of ``channels``.
        """
        known = tuple(channels)
        for channel in self.channel:
            if channel.name not in known:
                raise SettingError(
                    "quality.channel.name",
                    f"the model has no channel {channel.name!r}; it has {', '.join(known)}",
                )

    @property
    def counted(self) -> frozenset[Reason]:
        """The reasons that make a window unclean."""
        return frozenset(Reason) - frozenset(map(Reason, self.ignore))

    @property
    def holding(self) -> frozenset[Reason]:
        """The reasons that hold alerts back."""
        return frozenset(map(Reason, self.hold_alerts)) & self.counted
