"""COSE_Sign1 with Ed25519 (RFC 9052, section 4.2), in the one shape that is accepted here.

A message is ``18([h'A10127', {}, payload, signature])``: tagged, the algorithm EdDSA alone in the
protected header, nothing in the unprotected one. Who must have signed is known from the topic, so
no key id travels. The bytes are deterministic, as all of ours are: any other encoding is refused.
"""

from __future__ import annotations

import cbor2

from broker.protocol.errors import RemoteProtocolError

SIGNATURE_BYTES = 64
# Head, the payload's length, and the signature with its own.
OVERHEAD_BYTES = 7 + 9 + 2 + SIGNATURE_BYTES
# {1: -8}: alg is EdDSA (RFC 9053, section 2.2).
EDDSA = bytes.fromhex("a10127")
# Tag 18, an array of four, the protected header as a byte string, no unprotected one.
_HEAD = bytes.fromhex("d28443") + EDDSA + bytes.fromhex("a0")


def to_be_signed(payload: bytes, aad: bytes, protected: bytes = EDDSA) -> bytes:
    """Return the Sig_structure that the signature is over (RFC 9052, section 4.4)."""
    return cbor2.dumps(["Signature1", protected, aad, payload], canonical=True)


def pack(payload: bytes, signature: bytes) -> bytes:
    """Put a payload and its signature together."""
    return _HEAD + cbor2.dumps(payload) + cbor2.dumps(signature)


def unpack(message: bytes, max_payload_bytes: int) -> tuple[bytes, bytes]:
    """Take a message apart: (payload, signature). Nothing is verified.

    Raises:
        RemoteProtocolError: it is not of the one shape, or the payload is too large.
    """
    if len(message) > max_payload_bytes + OVERHEAD_BYTES:
        raise RemoteProtocolError("sign1", "", f"{len(message)} bytes")
    signature = message[-SIGNATURE_BYTES:]
    framed = message[len(_HEAD) : -SIGNATURE_BYTES - 2]
    # A byte string and nothing else gets as far as a CBOR decoder.
    if not framed or framed[0] >> 5 != 2:
        raise RemoteProtocolError("sign1", "", "not a COSE_Sign1 in the one shape that is accepted")
    try:
        payload = cbor2.loads(framed, allow_indefinite=False)
    except (cbor2.CBORError, ValueError, OverflowError, MemoryError) as error:
        raise RemoteProtocolError("sign1", "payload", f"not CBOR: {error}") from error
    # One comparison refuses every other header, encoding and trailing byte.
    if pack(payload, signature) != message:
        raise RemoteProtocolError("sign1", "", "not a COSE_Sign1 in the one shape that is accepted")
    return payload, signature
