"""What a plan's work becomes: a compressed update in the journal. Sans-I/O."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from broker.protocol.compression import codec
from broker.protocol.messages import Mode, Plan, UpdateId, UpdateOffer
from broker.protocol.statistics import encode_sums
from broker.protocol.transfer import refer
from edge_agent.control_variate import ControlVariate, control_variate, reach_of
from edge_agent.effects import Identity, Model, Note
from edge_agent.journal import Journal
from edge_agent.shelf import ModelShelf
from edge_agent.trainer import Summed, Trained


class Answers:
    """Knows how this gateway answers plans: in which mode, from which seed, as which bytes."""

    def __init__(self, identity: Identity, journal: Journal, shelf: ModelShelf) -> None:
        self._identity = identity
        self._journal = journal
        self._shelf = shelf

    def mode(self, plan: Plan) -> Mode:
        """What to train; all where the artifact has no such mode, for it would be the same."""
        mode = plan.training.mode_of(self._identity.tier)
        return mode if mode in self._identity.touched else Mode.FULL

    def seed(self, plan: Plan) -> tuple[int, int]:
        """Return what this gateway draws from for a plan."""
        return plan.seed, crc32(self._identity.gateway.encode())

    def correction(self, plan: Plan, model: Model | None) -> NDArray[np.float32] | None:
        """Return float32[P] to add to every gradient, where the plan wants it and it is known."""
        if model is None or not self._corrects(plan):
            return None
        variate = self._journal.control_variate()
        return None if variate is None else variate.correction(model.version, model.parameters)

    def write(self, plan: Plan, result: Trained | Summed, link: str) -> list[Note]:
        """Compress what was worked, and write it; the link's class chooses the codec.

        Raises:
            StorageError: the journal cannot be written; nothing was.
        """
        chosen = plan.codec_of(link)
        loss, variate, left = 0.0, None, None
        notes: list[Note] = []
        if isinstance(result, Trained):
            shared = self._identity.shared(plan.seed, self.mode(plan))
            residual, notes = self._residual(plan, chosen, shared.layout.parameters)
            compressed = codec(chosen).compress(
                self._sent(plan, result.delta),
                shared,
                np.random.default_rng((*self.seed(plan), 1)),
                residual,
            )
            payload, left = compressed.payload, compressed.left
            # Of what was trained: neither the residual nor what the codec loses has steered it.
            loss, variate = result.loss, self._variate(plan, result)
        else:
            payload = encode_sums(result.sums)
        sequence = self._journal.next_counter("sequence")
        offer = UpdateOffer(
            UpdateId(plan.plan, plan.version, self._identity.gateway, sequence),
            chosen,
            result.num_examples,
            loss,
            refer(payload, self._identity.chunk_bytes),
            self.mode(plan) if isinstance(result, Trained) else Mode.FULL,
            result.share if isinstance(result, Trained) else 1.0,
        )
        self._journal.add_update(offer, payload, variate, left)
        return notes

    def _variate(self, plan: Plan, result: Trained) -> ControlVariate | None:
        model = None if plan.model is None else self._shelf.held(plan.model)
        reach = reach_of(plan.training, result.steps)
        if model is None or not self._corrects(plan) or reach <= 0:
            return None
        correction = self.correction(plan, model)
        return control_variate(plan.version, model.parameters, result.delta, correction, reach)

    def _residual(
        self, plan: Plan, chosen: str, size: int
    ) -> tuple[NDArray[np.float32] | None, list[Note]]:
        """Return what earlier updates left out, float32[size]; what is of no use is forgotten."""
        if codec(chosen).chain.residual:
            residual = self._journal.residual(size)
            if residual is not None:
                return residual, []
        if self._journal.discard_residual():
            return None, [Note(f"the residual is discarded: plan {plan.plan} cannot use it")]
        return None, []

    def _sent(self, plan: Plan, delta: NDArray[np.float32]) -> NDArray[np.float32]:
        """The coordinates of float32[P] that were touched."""
        mode = self.mode(plan)
        return delta if mode is Mode.FULL else self._identity.touched[mode].take(delta)

    def _corrects(self, plan: Plan) -> bool:
        """A control variate is of the whole gradient, which only training all layers knows."""
        return plan.training.scaffold and self.mode(plan) is Mode.FULL
