"""Signal quality: whether a window of readings is worth learning from, and why not."""

from firmware_bridge.quality.assessor import Assessor
from firmware_bridge.quality.reason import Finding, Reason, WindowQuality
from firmware_bridge.quality.thresholds import ChannelOverride

__all__ = ["Assessor", "ChannelOverride", "Finding", "Reason", "WindowQuality"]
