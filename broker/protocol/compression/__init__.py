"""Codecs of updates; :mod:`~broker.protocol.compression.chain` says how a plan names one."""

from broker.protocol.compression.chain import NONE, Chain, parse_chain
from broker.protocol.compression.codec import Codec, Compressed, codec, max_payload_bytes
from broker.protocol.compression.delta import Delta
from broker.protocol.compression.layout import Layout, Shared
from broker.protocol.compression.magnitude import MAX_MAGNITUDE, Vector

__all__ = [
    "DEFAULT_CODEC",
    "DEFAULT_MODEL_CODEC",
    "MAX_MAGNITUDE",
    "NONE",
    "Chain",
    "Codec",
    "Compressed",
    "Delta",
    "Layout",
    "Shared",
    "Vector",
    "codec",
    "max_payload_bytes",
    "parse_chain",
]

# What docs/compression.md recommends after measuring.
DEFAULT_CODEC = "q8"
# Of models on their way down, likewise.
DEFAULT_MODEL_CODEC = "q8"
