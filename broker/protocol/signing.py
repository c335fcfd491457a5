"""Ed25519 (RFC 8032). The one module that imports PyNaCl."""

from __future__ import annotations

from typing import Protocol

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from broker.protocol.errors import LocalProtocolError

KEY_BYTES = 32


class Signer(Protocol):
    """Signs as one party and verifies what others have signed."""

    @property
    def public(self) -> bytes:
        """The 32 bytes that others know this party by."""

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of a signature."""

    def verify(self, public: bytes, data: bytes, signature: bytes) -> bool:
        """Whether ``signature`` over ``data`` is that of the party known as ``public``."""


class Ed25519Signer:
    """The real thing: the same seed signs the same data with the same bytes.

    Args:
        seed: 32 secret bytes.

    Raises:
        LocalProtocolError: another length.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise LocalProtocolError(f"a seed of {len(seed)} bytes, not {KEY_BYTES}")
        self._private = SigningKey(seed)
        self._public = bytes(self._private.verify_key)

    @property
    def public(self) -> bytes:
        """See :class:`Signer`."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """See :class:`Signer`."""
        return bytes(self._private.sign(data).signature)

    def verify(self, public: bytes, data: bytes, signature: bytes) -> bool:
        """See :class:`Signer`."""
        try:
            VerifyKey(public).verify(data, signature)
        except CryptoError:  # another signature, or one or a key of another length
            return False
        return True
