"""A small update in one message: the offer's facts in few bytes, and the payload.

Of an update of some hundred bytes the envelope is most. So nothing is said here that the topic
(the gateway), the plan (the codec's text) or the payload (its digest and size) tell already.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from broker.protocol.messages import (
    MAX_INLINE_BYTES,
    Mode,
    Part,
    Plan,
    SmallUpdate,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.transfer import refer

# Every small payload is one chunk of this size.
_CHUNK_BYTES = MAX_INLINE_BYTES
_UNKNOWN_CODEC = "?"
_LARGEST_FLOAT16 = 65504.0


def small(offer: UpdateOffer, payload: bytes) -> SmallUpdate | None:
    """Say an offer and its payload in one message; ``None`` where the payload is too large."""
    if not 1 <= len(payload) <= MAX_INLINE_BYTES:
        return None
    usual = offer.mode is Mode.FULL and offer.share == 1
    return SmallUpdate(
        offer.update.plan,
        offer.update.version,
        offer.update.sequence,
        _named(offer.codec),
        offer.num_examples,
        _short(offer.loss),
        payload,
        None if usual else Part(offer.mode, offer.share),
    )


def spelled_out(found: SmallUpdate, gateway: str, plan: Plan | None) -> UpdateOffer:
    """Return the offer that a small update stands for; without its plan the codec is not known."""
    codecs = () if plan is None else plan.codecs
    codec = next((text for text in codecs if _named(text) == found.codec), _UNKNOWN_CODEC)
    part = found.part or Part(Mode.FULL, 1.0)
    return UpdateOffer(
        UpdateId(found.plan, found.base, gateway, found.seq),
        codec,
        found.n,
        found.loss,
        refer(found.data, _CHUNK_BYTES),
        part.mode,
        part.share,
    )


def _named(codec: str) -> int:
    return crc32(codec.encode())


def _short(loss: float) -> float:
    return float(np.float16(loss)) if abs(loss) <= _LARGEST_FLOAT16 else loss
