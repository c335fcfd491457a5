"""The quick signature binds what Ed25519 binds."""

from __future__ import annotations

import pytest

from broker.protocol import sealed
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import AggregatorPresence
from perfuse.soak.quick_signer import QuickSigner

US, THEM = QuickSigner("us"), QuickSigner("them")
MESSAGE = AggregatorPresence(1, US.public, online=True)


def test_a_message_that_is_signed_for_its_topic_is_taken():
    signed = sealed.seal(MESSAGE, "a/b", US)
    assert sealed.unseal(signed, "a/b", AggregatorPresence, US.public, THEM) == MESSAGE


@pytest.mark.parametrize("topic", ["a/c", "a/b/c"])
def test_another_topic_is_refused(topic):
    with pytest.raises(RemoteProtocolError, match="signature"):
        sealed.unseal(sealed.seal(MESSAGE, "a/b", US), topic, AggregatorPresence, US.public, US)


def test_another_key_and_another_content_are_refused():
    signed = sealed.seal(MESSAGE, "a/b", US)
    with pytest.raises(RemoteProtocolError, match="signature"):
        sealed.unseal(signed, "a/b", AggregatorPresence, THEM.public, US)
    assert not US.verify(US.public, b"other", US.sign(b"one"))
