"""COSE_Sign1 against published messages, and against any bytes at all."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import cose
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.signing import Ed25519Signer

# RFC 8032, section 7.1, test 1; COSE's examples know it as key "11".
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
# github.com/cose-wg/Examples, eddsa-examples/eddsa-sig-01.json
PUBLISHED = bytes.fromhex(
    "d28445a201270300a10442313154546869732069732074686520636f6e74656e742e58407142fd2ff96d56db85be"
    "e905a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db34085eef013"
    "bf08f4a44d6fef0d"
)
# The same key over the one shape that we accept, as another implementation has published it.
OURS = bytes.fromhex(
    "d28443a10127a04a68656c6c6f20636f73655840e8491c645d25d990e7eeaafa710c67518b8ba332be23f951e9d2"
    "f4a329860e3277ddba19e7285a5be6f28af3d41c2355225ad55be4a5d2c7b50015d6b994c20e"
)
SIGNER = Ed25519Signer(SEED)


def test_the_working_groups_example_is_signed_and_verified() -> None:
    protected, unprotected, payload, signature = cbor2.loads(PUBLISHED).value
    assert (payload, unprotected) == (b"This is the content.", {4: b"11"})
    signed = cose.to_be_signed(payload, b"", protected)
    assert SIGNER.public == PUBLIC
    assert SIGNER.sign(signed) == signature
    assert SIGNER.verify(PUBLIC, signed, signature)


def test_the_working_groups_sig_structure() -> None:
    # The ToBeSign_hex of eddsa-sig-02.json, whose headers are ours.
    expected = "846a5369676e61747572653143a101274054546869732069732074686520636f6e74656e742e"
    assert cose.to_be_signed(b"This is the content.", b"").hex() == expected


def test_a_message_of_our_shape_that_others_have_published() -> None:
    payload, signature = cose.unpack(OURS, 100)
    assert payload == b"hello cose"
    assert SIGNER.verify(PUBLIC, cose.to_be_signed(payload, b""), signature)
    assert cose.pack(payload, SIGNER.sign(cose.to_be_signed(payload, b""))) == OURS


def test_our_shape_is_a_tagged_cose_sign1() -> None:
    message = cbor2.loads(cose.pack(b"payload", b"s" * 64))
    assert message.tag == 18
    assert list(message.value) == [b"\xa1\x01\x27", {}, b"payload", b"s" * 64]


@given(st.binary(max_size=70_000), st.binary(min_size=64, max_size=64))
def test_what_is_packed_is_unpacked(payload: bytes, signature: bytes) -> None:
    message = cose.pack(payload, signature)
    assert len(message) <= len(payload) + cose.OVERHEAD_BYTES
    assert cose.unpack(message, len(payload)) == (payload, signature)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_of_the_one_shape(data: bytes) -> None:
    for message in (data, OURS[:7] + data, OURS[:7] + data + OURS[-66:]):
        try:
            payload, signature = cose.unpack(message, 300)
        except RemoteProtocolError:
            continue
        assert cose.pack(payload, signature) == message


@pytest.mark.parametrize(
    "message",
    [
        b"",
        OURS[1:],  # untagged
        PUBLISHED,  # another protected header, and a key id
        OURS + b"\x00",
        OURS[:-1],
        OURS.replace(b"\x4ahello", b"\x58\x0ahello"),  # a longer length than needed
        bytes.fromhex("d28443a10127a05f4161ff5840") + b"s" * 64,  # an indefinite payload
        bytes.fromhex("d28443a10127a0f65840") + b"s" * 64,  # a detached payload
        bytes.fromhex("d28443a10127a0d823415b5840") + b"s" * 64,  # a tag that costs to build
        bytes.fromhex("d28443a10127a05b7fffffffffffffff5840") + b"s" * 64,
        bytes.fromhex("d28443a10126a0") + OURS[7:],  # ES256
        bytes.fromhex("d28443a10127a10102") + OURS[7:],  # an unprotected header
    ],
)
def test_any_other_shape_is_refused(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="sign1"):
        cose.unpack(message, 1000)


def test_a_payload_that_is_too_large_is_not_looked_at() -> None:
    message = cose.pack(bytes(200), b"s" * 64)
    with pytest.raises(RemoteProtocolError, match="bytes"):
        cose.unpack(message, 100)
