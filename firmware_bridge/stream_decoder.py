"""What turns a sensor's bytes into samples, and which one a profile's name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from firmware_bridge.frame_stream import FrameStream
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import SourceCounters

if TYPE_CHECKING:
    from firmware_bridge.profile import Profile


# What configurations and recordings call our own frame, over a line or over Bluetooth.
OWN_FRAME = "perfuse_frame"


class StreamDecoder(Protocol):
    """Bytes in, events out; nothing that a sensor sends is fatal, all of it is counted."""

    counters: SourceCounters

    @property
    def pending(self) -> int:
        """Bytes held back because what they begin is not complete."""

    def receive(self, data: bytes, received_ns: int, /) -> Sequence[Sample | Mark]:
        """What these bytes complete; they came at ``received_ns`` in Unix nanoseconds."""

    def negotiated(self, factor: float) -> None:
        """From now on a count is worth so much."""

    def line_reopened(self) -> None:
        """The line was lost and is open again."""


def is_own_frame(profile_name: str) -> bool:
    """Whether a profile's name is that of perfuse's own frame; no name is."""
    return profile_name.casefold() in ("", OWN_FRAME)


def open_decoder(
    sensor: str,
    profile_name: str,
    counters: SourceCounters | None = None,
    *,
    utc_offset_s: int = 0,
    factor: float = 1.0,
) -> StreamDecoder:
    """A fresh decoder of what a sensor sends.

    Args:
        sensor: configured name of the sensor.
        profile_name: ``"perfuse_frame"`` or nothing for our own frame, else as in the registry.
        counters: of the source; new ones unless given.
        utc_offset_s: how far the sensor's civil clock is ahead of UTC.
        factor: what a count is worth, where that was negotiated.

    Raises:
        UnknownProfileError: there is no such profile.
    """
    counters = counters if counters is not None else SourceCounters()
    if is_own_frame(profile_name):
        return FrameStream(sensor, counters)
    # A gateway of our own sensors alone does not pay for the profiles' memory.
    from firmware_bridge.profiles import profile  # noqa: PLC0415  # as above

    decoder = profile_decoder(sensor, profile(profile_name), counters, utc_offset_s)
    decoder.negotiated(factor)
    return decoder


def profile_decoder(
    sensor: str, profile: Profile[Any], counters: SourceCounters, utc_offset_s: int = 0
) -> StreamDecoder:
    """The same for a profile that is at hand."""
    if is_own_frame(profile.name):
        return FrameStream(sensor, counters)
    from firmware_bridge.profile_stream import ProfileStream  # noqa: PLC0415  # as above

    return ProfileStream(sensor, profile, counters, utc_offset_s)
