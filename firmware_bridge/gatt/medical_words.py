"""A lone IEEE-11073 word, for looking at one on the command line."""

from __future__ import annotations

from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import JsonFields, Profile, json_fields
from firmware_bridge.sampling import no_samples

SFLOAT = "sfloat"
FLOAT = "float32"


def decode_sfloat_octets(data: bytes) -> Value:
    """Decode two octets, least significant first.

    Raises:
        FrameError: not two octets.
    """
    octets = OctetReader(SFLOAT, data)
    value = octets.sfloat("value")
    octets.end()
    return value


def encode_sfloat_octets(value: Value) -> bytes:
    """Inverse of ``decode_sfloat_octets``.

    Raises:
        ValueError: SFLOAT cannot carry the value.
    """
    octets = OctetWriter()
    octets.sfloat(value)
    return octets.finish()


def decode_float_octets(data: bytes) -> Value:
    """Decode four octets, least significant first.

    Raises:
        FrameError: not four octets.
    """
    octets = OctetReader(FLOAT, data)
    value = octets.float32("value")
    octets.end()
    return value


def encode_float_octets(value: Value) -> bytes:
    """Inverse of ``decode_float_octets``.

    Raises:
        ValueError: FLOAT cannot carry the value.
    """
    octets = OctetWriter()
    octets.float32(value)
    return octets.finish()


def to_json(value: Value) -> JsonFields:
    """Fields of the command line."""
    return json_fields(value=value)


PROFILES = (
    Profile(
        name=SFLOAT,
        title="IEEE-11073 16-bit word",
        aliases=("SFLOAT16",),
        decode=decode_sfloat_octets,
        encode=encode_sfloat_octets,
        to_json=to_json,
        to_samples=no_samples,
    ),
    Profile(
        name=FLOAT,
        title="IEEE-11073 32-bit word",
        aliases=("FLOAT32_11073",),
        decode=decode_float_octets,
        encode=encode_float_octets,
        to_json=to_json,
        to_samples=no_samples,
    ),
)
