"""The one round that is under way: what it may take, and what it has folded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.fold import Sum, WeightedMean
from broker.aggregator.rounds import Round
from broker.protocol.compression import codec, max_payload_bytes
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
        parameters: P, the length of a delta.
        channels: C, the length of the normalisation.
        touched: what the modes beside full change.
    """

    def __init__(
        self,
        round_: Round,
        parameters: int,
        channels: int,
        touched: Mapping[str, Coordinates] | None = None,
    ) -> None:
        self.round = round_
        self._parameters = parameters
        self._channels = channels
        self._touched = touched or {}
        self._mean = WeightedMean(parameters)
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

    def decode(self, offer: UpdateOffer, payload: bytes) -> NDArray[np.float32 | np.float64]:
        """Read an update's vector: float32 of what was touched, or float64[3C] of sums.

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
        return codec(offer.codec).decompress(payload, self._size(offer))

    def fold(self, offer: UpdateOffer, vector: NDArray[np.float32 | np.float64]) -> None:
        """Fold one update that is durable."""
        if self._statistics:
            self._sums.add(vector.astype(np.float64))
        elif offer.mode is Mode.FULL:
            self._mean.add(vector.astype(np.float32), offer.num_examples)
        else:
            places = self._touched[offer.mode]
            self._mean.add_part(vector.astype(np.float32), offer.num_examples, places)

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
            limit = max_payload_bytes(self._size(offer))
        return (
            f"{offer.payload.size} bytes, at most {limit} are needed"
            if offer.payload.size > limit
            else ""
        )

    def _size(self, offer: UpdateOffer) -> int:
        """How many coordinates an update has."""
        if offer.mode is Mode.FULL:
            return self._parameters
        return self._touched[offer.mode].size

    def normalisation(self) -> Normalisation:
        """Return the normalisation of all the examples that were summed."""
        return ChannelSums.from_vector(self._sums.total).normalisation()

    def parameters(self, base: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the new float32[P] parameters."""
        return self._mean.apply(base)
