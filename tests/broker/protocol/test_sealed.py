"""Signed messages hold where they were signed for, and nowhere else."""

from __future__ import annotations

import pytest

from broker.protocol import sealed, wire
from broker.protocol.errors import LocalProtocolError, RemoteProtocolError
from broker.protocol.messages import AggregatorPresence, Chunk, Receipt, Want
from broker.protocol.signing import Ed25519Signer
from broker.protocol.topics import Topics

SIGNER, OTHER = Ed25519Signer(b"a" * 32), Ed25519Signer(b"b" * 32)
MESSAGE = AggregatorPresence(3, SIGNER.public, online=True)
TOPIC = Topics("ward").aggregator
SEALED = sealed.seal(MESSAGE, TOPIC, SIGNER)


def test_what_is_sealed_is_unsealed() -> None:
    assert sealed.unseal(SEALED, TOPIC, AggregatorPresence, SIGNER.public, OTHER) == MESSAGE
    kinds = (Want, AggregatorPresence)
    assert sealed.unseal_any(SEALED, TOPIC, kinds, SIGNER.public, OTHER) == MESSAGE
    assert sealed.introduce(SEALED, TOPIC, AggregatorPresence, lambda m: m.key, OTHER) == MESSAGE
    assert sealed.peek(SEALED, AggregatorPresence) == MESSAGE


@pytest.mark.parametrize("topic", [Topics("other").aggregator, Topics("ward").plan, ""])
def test_a_message_that_was_moved_to_another_topic_is_refused(topic: str) -> None:
    with pytest.raises(RemoteProtocolError, match="signature"):
        sealed.unseal(SEALED, topic, AggregatorPresence, SIGNER.public, SIGNER)
    with pytest.raises(RemoteProtocolError, match="signature"):
        sealed.introduce(SEALED, topic, AggregatorPresence, lambda m: m.key, SIGNER)


def test_anothers_signature_is_refused() -> None:
    forged = sealed.seal(MESSAGE, TOPIC, OTHER)
    with pytest.raises(RemoteProtocolError, match=f"not that of {SIGNER.public.hex()[:16]}"):
        sealed.unseal(forged, TOPIC, AggregatorPresence, SIGNER.public, SIGNER)
    with pytest.raises(RemoteProtocolError, match="signature"):
        sealed.introduce(forged, TOPIC, AggregatorPresence, lambda m: m.key, SIGNER)


@pytest.mark.parametrize("position", range(0, len(SEALED), 7))
def test_a_changed_byte_is_refused(position: int) -> None:
    changed = bytearray(SEALED)
    changed[position] ^= 1
    with pytest.raises(RemoteProtocolError):
        sealed.unseal(bytes(changed), TOPIC, AggregatorPresence, SIGNER.public, SIGNER)


def test_another_kind_of_message_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="expected one of want, receipt"):
        sealed.unseal_any(SEALED, TOPIC, (Want, Receipt), SIGNER.public, SIGNER)
    with pytest.raises(RemoteProtocolError, match="expected 'receipt'"):
        sealed.unseal(SEALED, TOPIC, Receipt, SIGNER.public, SIGNER)


def test_a_message_without_a_signature_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="sign1"):
        sealed.unseal(wire.encode(MESSAGE), TOPIC, AggregatorPresence, SIGNER.public, SIGNER)


def test_what_breaks_its_bounds_is_not_signed() -> None:
    with pytest.raises(LocalProtocolError):
        sealed.seal(Chunk(b"short", 0, b""), TOPIC, SIGNER)
