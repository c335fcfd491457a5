"""How a gateway comes by a model version: whole, or by steps from one that it holds.

A chain of steps has no state: each step's result is kept like any version, and what is to be
fetched next follows from what is held. So a gateway that is killed between two steps goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from broker.protocol.messages import BlobReference, DeltaReference, ModelAnnouncement, Plan
from broker.protocol.transfer import Assembly
from edge_agent.shelf import ModelShelf


@dataclass(frozen=True, slots=True)
class Leg:
    """A blob to fetch: the step from version ``base`` to ``result``; with no base, the whole."""

    blob: BlobReference
    result: bytes
    base: bytes | None = None


class ModelRoute:
    """Chooses blobs to fetch, and makes versions of them."""

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf
        self._legs: dict[bytes, Leg] = {}
        # Steps that gave nothing; asking again would bring the same bytes.
        self._avoided: set[bytes] = set()

    def choose(self, *offers: Plan | ModelAnnouncement | None) -> list[BlobReference]:
        """Return the next blob to fetch for the model of each offer, in their order."""
        legs = [
            next_leg(offer.model, offer.deltas, self._usable, self._shelf.holds)
            for offer in offers
            if offer is not None and offer.model is not None and not self._held(offer.model)
        ]
        self._legs = {leg.blob.digest: leg for leg in legs}
        self._avoided &= {d.blob.digest for o in offers if o is not None for d in o.deltas}
        return [leg.blob for leg in legs]

    def take(self, digest: bytes, complete: Assembly) -> None:
        """Make a version of a blob that has come in, and write it down.

        Raises:
            RemoteProtocolError: it is not what was promised; nothing was written.
        """
        leg = self._legs[digest]
        if leg.base is None:
            self._shelf.keep(digest, complete.blob())
        else:
            self._shelf.step(complete.blob(), leg.base, leg.result)

    def avoid(self, digest: bytes) -> bool:
        """Go another way than by this blob, if it was a step; returns whether there is one."""
        if self._legs[digest].base is None:
            return False
        self._avoided.add(digest)
        return True

    def _held(self, model: BlobReference) -> bool:
        return self._shelf.holds(model.digest)

    def _usable(self, step: DeltaReference) -> bool:
        return step.blob.digest not in self._avoided


def next_leg(
    model: BlobReference,
    steps: tuple[DeltaReference, ...],
    usable: Callable[[DeltaReference], bool],
    holds: Callable[[bytes], bool],
) -> Leg:
    """Return what to fetch next for ``model``: the fewest bytes of what is left of each way.

    Args:
        model: the whole.
        steps: to it, each from where the one before it ends.
        usable: whether a step may be taken.
        holds: whether a version with this digest is held.
    """
    result, left = model.digest, 0
    for step in reversed(steps):
        left += step.blob.size
        if left >= model.size or not usable(step):
            break
        if holds(step.base):
            return Leg(step.blob, result, step.base)
        result = step.base
    return Leg(model, model.digest)
