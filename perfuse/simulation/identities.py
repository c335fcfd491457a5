"""Keys and sessions of simulated parties: the same ones in every run. Pure."""

from __future__ import annotations

import hashlib
from functools import cache

from broker.protocol.signing import Ed25519Signer


@cache
def signer_of(party: str) -> Ed25519Signer:
    """Return a party's signer; its key is no secret to anybody."""
    return Ed25519Signer(hashlib.sha256(f"simulated {party}".encode()).digest())


def session_of(party: str, life: int) -> bytes:
    """Return the 8 bytes of a session: another one for each life of a party."""
    return hashlib.sha256(f"session {life} of {party}".encode()).digest()[:8]
