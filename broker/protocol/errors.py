"""Errors of the exchange.

ProtocolError
├── LocalProtocolError     we asked for something that the protocol does not allow
└── RemoteProtocolError    the peer sent something that no strict decoder may accept
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Root of every error that broker.protocol raises on purpose."""


class LocalProtocolError(ProtocolError):
    """Our own code misused the protocol: a bug on this side."""


class RemoteProtocolError(ProtocolError):
    """A peer's message that is refused whole; nothing of it was applied.

    Attributes:
        message: the kind of message, such as ``"plan"``.
        field: the field that is wrong, or ``""`` when the whole message is.
        reason: what is wrong with it.
    """

    def __init__(self, message: str, field: str, reason: str) -> None:
        super().__init__(f"{message}{'.' if field else ''}{field}: {reason}")
        self.message = message
        self.field = field
        self.reason = reason
