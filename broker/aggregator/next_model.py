"""The version that a round commits, and the compressed step that leads to it. Pure.

The step is made first, and the version is what the step gives, see
:mod:`broker.protocol.model_delta`. What the codec leaves out of it is carried into the next one
(error feedback, as on the way up: Karimireddy et al. 2019; both ways: Sattler et al. 2019).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from broker.protocol import wire
from broker.protocol.compression import NONE, Codec, Layout, Shared, Vector, parse_chain
from broker.protocol.errors import ProtocolError
from broker.protocol.messages import ModelBlob
from broker.protocol.model_delta import next_blob, pack_delta, parameters_of, step_model


@dataclass(frozen=True, slots=True, eq=False)
class NextModel:
    """A new version.

    Attributes:
        blob: the whole of it.
        delta: the step to it from the version before; ``None`` where only the whole is published.
        carry: float32[P], what was meant less what it is; ``None``: nothing.
    """

    blob: bytes
    delta: bytes | None = None
    carry: Vector | None = None


def next_model(
    base: bytes,
    target: Vector,
    carry: Vector | None,
    codec_text: str,
    layout: Layout,
    generator: np.random.Generator,
) -> NextModel:
    """Return the version after the blob ``base``.

    A step that cannot be written, is no smaller than the whole, or leaves out more than it brings
    (as stochastic levels that are too coarse do; the carry would grow without end) is not taken:
    then the version is what was meant, and nothing is carried.

    Args:
        base: the model's blob that the round began with.
        target: float32[P], the parameters that the round gave.
        carry: float32[P], what earlier steps have left out; of another length it is forgotten.
        codec_text: of the step; ``none`` makes no step.
        layout: of the parameter vector.
        generator: decides what is stochastic in the codec.
    """
    before = wire.decode(base, ModelBlob)
    meant = target + carry if carry is not None and carry.size == target.size else target
    whole = NextModel(next_blob(before, meant))
    if codec_text == NONE:
        return whole
    shared = Shared(layout, before.version + 1)
    # With feedback a random choice of values must not be scaled up: the rest comes later.
    encoder = Codec(replace(parse_chain(codec_text), residual=True))
    change = meant - parameters_of(before)
    try:
        payload = encoder.compress(change, shared, generator).payload
        delta = pack_delta(base, codec_text, payload)
        blob = step_model(base, delta, layout)
    except ProtocolError:
        return whole
    left = meant - parameters_of(wire.decode(blob, ModelBlob))
    if len(delta) >= len(blob) or _norm(left) > _norm(change):
        return whole
    return NextModel(blob, delta, left)


def _norm(vector: Vector) -> float:
    return float(np.linalg.norm(vector.astype(np.float64)))
