"""Signed messages: COSE_Sign1 around one of ours, bound to the topic that it stands on.

The topic is the external_aad, in front of a word that names this use of the key: it names protocol
version, population, gateway and purpose, so that a message which somebody moves to another topic
fails; the kind of message is in the payload. Chunks are not signed: their digest stands in a signed
message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from broker.protocol import cose, wire
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.signing import Signer

M = TypeVar("M")
_CONTEXT = b"perfuse message\x00"


def seal(message: object, topic: str, signer: Signer) -> bytes:
    """Sign a message for one topic.

    Raises:
        LocalProtocolError: the message breaks its own bounds.
    """
    payload = wire.encode(message)
    return cose.pack(payload, signer.sign(cose.to_be_signed(payload, _aad(topic))))


def unseal(message: bytes, topic: str, expected: type[M], public: bytes, signer: Signer) -> M:
    """Verify and decode a message of one kind that ``public`` must have signed.

    Raises:
        RemoteProtocolError: not signed so, or anything else is not as the schema says.
    """
    payload = _verified(message, topic, public, signer)
    return wire.decode(payload, expected)


def unseal_any(
    message: bytes, topic: str, expected: tuple[type, ...], public: bytes, signer: Signer
) -> object:
    """Verify and decode a message that may be of a few kinds.

    Raises:
        RemoteProtocolError: as :func:`unseal`.
    """
    return wire.decode_any(_verified(message, topic, public, signer), expected)


def introduce(
    message: bytes, topic: str, expected: type[M], key_of: Callable[[M], bytes], signer: Signer
) -> M:
    """Verify and decode a message by the key that it shows itself: its sender has that key.

    Whether that key is the one we know the sender by is the caller's to ask.

    Raises:
        RemoteProtocolError: as :func:`unseal`.
    """
    found = peek(message, expected)
    _verified(message, topic, key_of(found), signer)
    return found


def peek(message: bytes, expected: type[M]) -> M:
    """Decode without verifying, for those who only look on.

    Raises:
        RemoteProtocolError: malformed.
    """
    payload, _ = cose.unpack(message, wire.MAX_MESSAGE_BYTES)
    return wire.decode(payload, expected)


def _verified(message: bytes, topic: str, public: bytes, signer: Signer) -> bytes:
    payload, signature = cose.unpack(message, wire.MAX_MESSAGE_BYTES)
    if not signer.verify(public, cose.to_be_signed(payload, _aad(topic)), signature):
        raise RemoteProtocolError("sign1", "signature", f"not that of {public.hex()[:16]}...")
    return payload


def _aad(topic: str) -> bytes:
    return _CONTEXT + topic.encode()
