"""Answers what gateways offer: what is missing of it, or a receipt once it is durable."""

from __future__ import annotations

from broker.aggregator import admission
from broker.aggregator.events import UpdateAccepted, UpdateRefused
from broker.aggregator.intake import Intake
from broker.aggregator.open_round import OpenRound
from broker.aggregator.planning import Planner
from broker.aggregator.round_log import RoundLog
from broker.aggregator.settings import RoundSettings
from broker.protocol import pace, sealed
from broker.protocol.effects import Publish
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.messages import (
    Chunk,
    ClockNotice,
    GatewayPresence,
    GatewayState,
    Plan,
    Receipt,
    ReceiptStatus,
    RejectReason,
    RetryReason,
    SmallUpdate,
    UpdateOffer,
)
from broker.protocol.signing import Signer
from broker.protocol.small_update import spelled_out
from broker.protocol.topics import Topics

Effect = Publish | UpdateAccepted | UpdateRefused
_FIRST_RETRY_S = 10.0
# Deadlines are minutes and more; what both ways of a slow link take does not matter to them.
CLOCK_TOLERANCE_S = 60.0


class Reception:
    """Takes offers and chunks for the round that is open.

    Args:
        topics, signer: of the aggregator.
        log: where updates become durable before they are acknowledged.
        planner: writes further plans for gateways that have reported.
        rounds: the knobs.
        limits: of what an update may be.
    """

    def __init__(
        self,
        topics: Topics,
        signer: Signer,
        log: RoundLog,
        planner: Planner,
        rounds: RoundSettings,
        limits: admission.Limits,
    ) -> None:
        self._topics = topics
        self._signer = signer
        self._log = log
        self._planner = planner
        self._rounds = rounds
        self._limits = limits
        self._intake = Intake(log, rounds.upload_bytes)

    def spelled_out(self, gateway: str, said: object) -> tuple[UpdateOffer, bytes | None]:
        """Return the offer in a gateway's message, and the payload where that came along."""
        if isinstance(said, SmallUpdate):
            return spelled_out(said, gateway, self._plan_of(said.plan, gateway)), said.data
        assert isinstance(said, UpdateOffer)
        return said, None

    def offered(
        self,
        offer: UpdateOffer,
        open_round: OpenRound | None,
        now: float,
        window_s: float,
        payload: bytes | None = None,
    ) -> list[Effect]:
        """Answer an offer, which ``payload`` may have come along with.

        ``window_s`` is what those are spread over that must come back.
        """
        if self._log.has_folded(offer.update):
            return self._reply(Receipt(offer.update, ReceiptStatus.DUPLICATE))
        plan = self._plan_of(offer.update.plan, offer.update.gateway)
        if plan is None:
            return self._unknown(offer)
        if found := admission.refusal(plan, offer, self._limits):
            return self._reject(offer, found.reason, found.detail)
        return self._timely(offer, plan, open_round, now, window_s, payload)

    def stale(self, offer: UpdateOffer) -> list[Effect]:
        """Answer an offer when no round will open any more."""
        if self._log.has_folded(offer.update):
            return self._reply(Receipt(offer.update, ReceiptStatus.DUPLICATE))
        return self._reply(Receipt(offer.update, ReceiptStatus.STALE, detail="training is over"))

    def retry(self, offer: UpdateOffer, reason: RetryReason, window_s: float) -> list[Effect]:
        """Tell a gateway to come back, at its own place in the window."""
        place = pace.place(offer.update.gateway, offer.update.sequence)
        wait_s = _FIRST_RETRY_S + place * max(window_s, _FIRST_RETRY_S)
        receipt = Receipt(offer.update, ReceiptStatus.RETRY, retry=reason, retry_after_s=wait_s)
        return self._reply(receipt)

    def chunk(
        self, gateway: str, chunk: Chunk, open_round: OpenRound | None, now: float
    ) -> list[Effect]:
        """Take a piece of an upload; the last one completes it.

        Raises:
            RemoteProtocolError: it is not a piece of what the gateway has offered.
        """
        offer = self._intake.take(gateway, chunk, now)
        if offer is None or open_round is None or self._log.has_folded(offer.update):
            return []
        plan = self._plan_of(offer.update.plan, gateway)
        cap = self._rounds.staleness_cap
        if plan is None:
            return []
        if late := admission.lateness(plan, open_round.round.plan, cap):
            return self._reply(Receipt(offer.update, ReceiptStatus.STALE, detail=late))
        return self._advance(offer, plan, open_round, now, None)

    def clock(self, presence: GatewayPresence, now: float) -> list[Effect]:
        """Tell a gateway whose clock is off what time it is."""
        told = presence.state is not GatewayState.OFFLINE and presence.unix_s > 0
        if not told or abs(presence.unix_s - now) <= CLOCK_TOLERANCE_S:
            return []
        return [self._sealed(presence.gateway, ClockNotice(presence.unix_s, max(now, 0.0)))]

    def expire(self, oldest: int) -> list[Effect]:
        """Say that updates of bases before version ``oldest`` can count no more, where they come.

        Their pieces are no longer in the log.
        """
        effects: list[Effect] = []
        for offer in self._intake.expire(oldest):
            if not self._log.has_folded(offer.update):
                late = f"only updates of version {oldest} and later count now"
                effects += self._reply(Receipt(offer.update, ReceiptStatus.STALE, detail=late))
        return effects

    def _timely(
        self,
        offer: UpdateOffer,
        plan: Plan,
        open_round: OpenRound | None,
        now: float,
        window_s: float,
        payload: bytes | None,
    ) -> list[Effect]:
        """Answer an offer that answers its plan, by whether there is a round for it now."""
        if open_round is None:
            return self.retry(offer, RetryReason.PACED, window_s)
        if late := admission.lateness(plan, open_round.round.plan, self._rounds.staleness_cap):
            return self._reply(Receipt(offer.update, ReceiptStatus.STALE, detail=late))
        if self._intake.busy(offer.update.gateway, self._rounds.max_uploads, now):
            return self.retry(offer, RetryReason.BUSY, window_s)
        if payload is None and not self._intake.has_room(offer, now):
            return self.retry(offer, RetryReason.FULL, window_s)
        return self._advance(offer, plan, open_round, now, payload)

    def _unknown(self, offer: UpdateOffer) -> list[Effect]:
        """Answer an offer whose plan is not there: it is long over, or there never was one."""
        base, _ = admission.family(offer.update.plan)
        if self._log.was_published(base) and self._log.plan(base) is None:
            late = "its plan was let go of, with all that can answer it"
            return self._reply(Receipt(offer.update, ReceiptStatus.STALE, detail=late))
        return self._reject(offer, RejectReason.UNKNOWN_PLAN, "no such plan was published")

    def _plan_of(self, name: str, gateway: str) -> Plan | None:
        """Return the plan that an update answers, when it was published or handed on."""
        base, number = admission.family(name)
        if number > 1:
            before = admission.further(base, number - 1)
            known = self._rounds.buffer and self._log.has_answered(before, gateway)
            if not known or name != admission.further(base, number):
                return None
        return self._log.plan(base)

    def _advance(
        self,
        offer: UpdateOffer,
        plan: Plan,
        open_round: OpenRound,
        now: float,
        payload: bytes | None,
    ) -> list[Effect]:
        """Ask for what is missing of an upload, or fold it when nothing is."""
        try:
            if payload is None:
                if (want := self._intake.offered(offer, now)) is not None:
                    return [self._sealed(offer.update.gateway, want)]
                payload = self._intake.assemble(offer)
            else:
                self._intake.forget(offer.update.gateway)
            update = open_round.decode(offer, payload, admission.seed_of(plan, offer.update.plan))
        except RemoteProtocolError as error:
            return self._reject(offer, RejectReason.MALFORMED, str(error)[:256])
        staleness = open_round.round.plan.version - offer.update.version
        discount = admission.discount(staleness, self._rounds.staleness_power)
        self._log.accept(offer, payload, open_round.round.number, discount)
        open_round.fold(offer, update, discount)
        accepted = UpdateAccepted(
            open_round.round.number,
            offer.update.gateway,
            offer.num_examples,
            offer.loss,
            len(payload),
            staleness,
            offer.share,
        )
        receipt = self._reply(Receipt(offer.update, ReceiptStatus.ACCEPTED))
        return [accepted, *receipt, *self._further(offer, open_round)]

    def _further(self, offer: UpdateOffer, open_round: OpenRound) -> list[Effect]:
        """Let a gateway go on at once that has answered the open plan, while the buffer fills."""
        base, number = admission.family(offer.update.plan)
        plan = open_round.round.plan
        full = open_round.reported >= open_round.round.goal
        if not self._rounds.buffer or full or plan.plan != base or plan.model is None:
            return []
        gateway = offer.update.gateway
        return [self._sealed(gateway, self._planner.further(plan, number + 1, gateway))]

    def _reject(self, offer: UpdateOffer, reason: RejectReason, detail: str) -> list[Effect]:
        return self._reply(
            Receipt(offer.update, ReceiptStatus.REJECTED, rejected=reason, detail=detail)
        )

    def _reply(self, receipt: Receipt) -> list[Effect]:
        gateway = receipt.update.gateway
        effects: list[Effect] = [self._sealed(gateway, receipt)]
        if receipt.status in (ReceiptStatus.STALE, ReceiptStatus.REJECTED):
            effects.append(UpdateRefused(gateway, receipt.detail))
        return effects

    def _sealed(self, gateway: str, message: object) -> Publish:
        topic = self._topics.reply(gateway)
        return Publish(topic, sealed.seal(message, topic, self._signer))
