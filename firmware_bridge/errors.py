"""Errors of the firmware bridge.

BridgeError
├── FrameError          a sensor sent bytes that no strict decoder may accept
├── SourceError         a source cannot be opened, or was lost
├── LinkError           a wireless link did not do what it was asked; its supervisor tries again
└── RecordingError      a recorded session cannot be read
"""

from __future__ import annotations


class BridgeError(Exception):
    """Root of every error that firmware_bridge raises on purpose."""


class FrameError(BridgeError):
    """Bytes that a decoder refused.

    Attributes:
        profile: the decoder that refused them, such as ``"perfuse-frame"`` or ``"heart_rate"``.
        reason: what was wrong, naming the field.
    """

    def __init__(self, profile: str, reason: str) -> None:
        super().__init__(f"{profile}: {reason}")
        self.profile = profile
        self.reason = reason


class SourceError(BridgeError):
    """A source that cannot be opened or was lost; the supervisor may try again.

    Attributes:
        sensor: the configured name of the sensor.
        reason: what the operating system or the link said.
    """

    def __init__(self, sensor: str, reason: str) -> None:
        super().__init__(f"sensor {sensor!r}: {reason}")
        self.sensor = sensor
        self.reason = reason


class LinkError(BridgeError):
    """A wireless link that failed.

    Attributes:
        doing: what was asked of it, such as ``"connect"``.
        reason: what the stack said.
    """

    def __init__(self, doing: str, reason: str) -> None:
        super().__init__(f"{doing}: {reason}")
        self.doing = doing
        self.reason = reason


class RecordingError(BridgeError):
    """A recorded session that cannot be read.

    Attributes:
        path: the file.
        reason: what was wrong, with the line or array it was wrong in.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason
