"""Which blob a gateway fetches next for a model."""

from __future__ import annotations

import pytest

from broker.protocol.messages import BlobReference, DeltaReference
from edge_agent.model_route import Leg, next_leg


def named(letter: str) -> bytes:
    return letter.encode() * 32


def steps(*sizes: int) -> tuple[DeltaReference, ...]:
    """Steps a -> b -> c ... of these sizes; the blobs are named A, B, ..."""
    return tuple(
        DeltaReference(
            i, named(chr(ord("a") + i)), BlobReference(named(chr(ord("A") + i)), size, 64)
        )
        for i, size in enumerate(sizes)
    )


MODEL = BlobReference(named("d"), 100, 64)
WHOLE = Leg(MODEL, MODEL.digest)
THREE = steps(30, 30, 30)


@pytest.mark.parametrize(
    ("found", "held", "avoided", "first"),
    [
        ((), "abc", "", None),
        (THREE, "", "", None),
        (THREE, "x", "", None),
        (THREE, "a", "", 0),
        (THREE, "b", "", 1),
        (THREE, "c", "", 2),
        (THREE, "ac", "", 2),
        (THREE, "c", "C", None),
        (THREE, "a", "B", None),
        (THREE, "ac", "A", 2),
        # As many bytes as the whole, for more requests.
        (steps(40, 30, 30), "a", "", None),
        (steps(40, 30, 30), "b", "", 1),
        (steps(1, 1, 200), "abc", "", None),
    ],
)
def test_the_way_of_fewest_bytes_is_taken(
    found: tuple[DeltaReference, ...], held: str, avoided: str, first: int | None
) -> None:
    leg = next_leg(
        MODEL,
        found,
        lambda step: step.blob.digest not in [named(letter) for letter in avoided],
        lambda digest: digest in [named(letter) for letter in held],
    )
    if first is None:
        assert leg == WHOLE
    else:
        result = named("bcd"[first])
        assert leg == Leg(found[first].blob, result, named("abc"[first]))
