"""The one round that is under way: what it may take, and what it has folded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.fold import Sum, WeightedMean
from broker.aggregator.rounds import Round
from broker.protocol.compression import Delta, Layout, Shared, codec, max_payload_bytes
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
        self._shared = Shared(layout, round_.plan.seed)
        self._channels = channels
        self._touched = touched or {}
        self._mean = WeightedMean(layout.parameters)
        self._sums = Sum(3 * channels)
        self._statistics = round_.plan.kind is PlanKind.STATISTICS

    @property
    def reported(self) -> int:
        """Updates folded so far."""
        return self._sums.updates if self._statistics else self._mean.updates

    def refusal(self, offer: UpdateOffer) -> str:
        """Say why an offer for this plan is not taken; empty when it is."""
        plan = self.round.plan
        if offer.update.gateway not in plan.cohort:
            return "this gateway was not asked"
        if offer.update.version != plan.version:
            return f"base version {offer.update.version}, the plan says {plan.version}"
        if offer.codec != plan.codec:
            return f"codec {offer.codec!r}, the plan says {plan.codec!r}"
        if offer.num_examples < plan.min_examples:
            return f"{offer.num_examples} examples, the plan asks for {plan.min_examples}"
        return self._mode_refusal(offer) or self._size_refusal(offer)

    def decode(self, offer: UpdateOffer, payload: bytes) -> Delta | NDArray[np.float64]:
        """Read what an update says: a delta of what was touched, or float64[3C] of sums.

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
        return codec(offer.codec).decompress(payload, self._shared_of(offer))

    def fold(self, offer: UpdateOffer, update: Delta | NDArray[np.float64]) -> None:
        """Fold one update that is durable."""
        if not isinstance(update, Delta):
            self._sums.add(update)
        elif offer.mode is not Mode.FULL:
            self._mean.add_part(update.dense(), offer.num_examples, self._touched[offer.mode])
        elif update.indices is None:
            self._mean.add(update.values, offer.num_examples)
        else:
            self._mean.add_sparse(update.indices, update.values, offer.num_examples)

    def _mode_refusal(self, offer: UpdateOffer) -> str:
        if offer.mode is Mode.FULL:
            return ""
        asked = {found.mode for found in self.round.plan.training.modes}
        if self._statistics or offer.mode not in asked or offer.mode not in self._touched:
            return f"mode {offer.mode!r} was not asked for"
        return ""

    def _size_refusal(self, offer: UpdateOffer) -> str:
        limit = 24 * self._channels
        if not self._statistics:
            limit = max_payload_bytes(self._shared_of(offer).layout.parameters)
        return (
            f"{offer.payload.size} bytes, at most {limit} are needed"
            if offer.payload.size > limit
            else ""
        )

    def _shared_of(self, offer: UpdateOffer) -> Shared:
        """What codecs know of an update in the offer's mode."""
        if offer.mode is Mode.FULL:
            return self._shared
        return Shared(Layout.of(self._touched[offer.mode].layout), self._shared.seed)

    def normalisation(self) -> Normalisation:
        """Return the normalisation of all the examples that were summed."""
        return ChannelSums.from_vector(self._sums.total).normalisation()

    def parameters(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the new float32[P] parameters."""
        return self._mean.apply(base)
