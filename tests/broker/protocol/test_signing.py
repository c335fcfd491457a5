"""Ed25519 as RFC 8032 has it."""

from __future__ import annotations

import pytest

from broker.protocol.errors import LocalProtocolError
from broker.protocol.signing import Ed25519Signer

# RFC 8032, section 7.1, tests 2 and 3: seed, public key, message, signature.
VECTORS = [
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_the_rfcs_vectors(vector: tuple[str, ...]) -> None:
    seed, public, message, signature = map(bytes.fromhex, vector)
    signer = Ed25519Signer(seed)
    assert signer.public == public
    assert signer.sign(message) == signature
    assert signer.verify(public, message, signature)


def test_anything_else_is_not_verified() -> None:
    signer, other = Ed25519Signer(b"a" * 32), Ed25519Signer(b"b" * 32)
    signature = signer.sign(b"data")
    assert signer.verify(signer.public, b"data", signature)
    for public, data, found in (
        (other.public, b"data", signature),
        (signer.public, b"date", signature),
        (signer.public, b"data", signature[:-1] + b"!"),
        (signer.public, b"data", b""),
        (b"short", b"data", signature),
        (b"\xff" * 32, b"data", signature),
    ):
        assert not signer.verify(public, data, found)


def test_a_seed_of_another_length_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="31 bytes"):
        Ed25519Signer(bytes(31))
