"""The one round that is under way: what it may take, and what it has folded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.fold import Sum, WeightedMean
from broker.aggregator.rounds import Round
from broker.protocol.compression import Delta, Layout, Shared, codec
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import Mode, PlanKind, UpdateOffer
from broker.protocol.statistics import decode_sums
from models.coordinates import Coordinates
from models.errors import ParameterError
from models.normalisation import ChannelSums, Normalisation


class OpenRound:
    """Folds the updates of one plan, whichever kind it is.

    Args:
        round_: the round, in state OPEN.
        layout: of the parameter vector.
        channels: C, the length of the normalisation.
        touched: what the modes beside full change.
    """

    def __init__(
        self,
        round_: Round,
        layout: Layout,
        channels: int,
        touched: Mapping[str, Coordinates] | None = None,
    ) -> None:
        self.round = round_
        self._seed = round_.plan.seed
        self._channels = channels
        self._touched = touched or {}
        # Once a round: codecs keep what they work out of a layout.
        self._layouts = {mode: Layout.of(part.layout) for mode, part in self._touched.items()}
        self._layouts[Mode.FULL] = layout
        self._mean = WeightedMean(layout.parameters)
        self._sums = Sum(3 * channels)
        self._statistics = round_.plan.kind is PlanKind.STATISTICS

    @property
    def reported(self) -> int:
        """Updates folded so far."""
        return self._sums.updates if self._statistics else self._mean.updates

    def decode(
        self, offer: UpdateOffer, payload: bytes, seed: int | None = None
    ) -> Delta | NDArray[np.float64]:
        """Read what an update says: a delta of what was touched, or float64[3C] of sums.

        ``seed`` is that of the update's own plan, when it is not this round's.

        Raises:
            RemoteProtocolError: the payload is not what the codec writes.
        """
        if self._statistics:
            sums = decode_sums(payload, 3 * self._channels)
            try:
                ChannelSums.from_vector(sums)
            except ParameterError as error:
                raise RemoteProtocolError("update", "payload", error.reason) from error
            return sums
        # What codecs know of an update in the offer's mode.
        shared = Shared(self._layouts[offer.mode], self._seed if seed is None else seed)
        return codec(offer.codec).decompress(payload, shared)

    def fold(
        self, offer: UpdateOffer, update: Delta | NDArray[np.float64], discount: float = 1.0
    ) -> None:
        """Fold one update that is durable, weighted by the examples and steps that it is made of.

        ``discount`` is what its staleness leaves of it.
        """
        weight = offer.num_examples * offer.share
        if not isinstance(update, Delta):
            self._sums.add(update)
        elif offer.mode is not Mode.FULL:
            places = self._touched[offer.mode]
            self._mean.add_part(update.dense(), weight, places, discount)
        elif update.indices is None:
            self._mean.add(update.values, weight, discount)
        else:
            self._mean.add_sparse(update.indices, update.values, weight, discount)

    def normalisation(self) -> Normalisation:
        """Return the normalisation of all the examples that were summed."""
        return ChannelSums.from_vector(self._sums.total).normalisation()

    def parameters(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the new float32[P] parameters."""
        return self._mean.apply(base)
