"""Whether an update may count, by its own plan and the round that is open. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.protocol.compression import max_payload_bytes
from broker.protocol.messages import Mode, Plan, PlanKind, RejectReason, UpdateOffer

# Between a plan's id and the number of a further plan for one gateway in the same round.
_FURTHER = "~"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an update is never taken, for programs and for people."""

    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What an update may be.

    Attributes:
        parameters: P, the length of a delta.
        channels: C, the length of the normalisation.
        touched: how many coordinates each mode beside full changes.
    """

    parameters: int
    channels: int
    touched: Mapping[str, int] = field(default_factory=dict)

    def size(self, mode: Mode) -> int | None:
        """Return the coordinates of an update of this mode; ``None`` for one that we lack."""
        return self.parameters if mode is Mode.FULL else self.touched.get(mode)


def refusal(plan: Plan, offer: UpdateOffer, limits: Limits) -> Refusal | None:
    """Say why an offer does not answer the plan that it names; ``None`` when it does."""
    if offer.update.gateway not in plan.cohort:
        return Refusal(RejectReason.NOT_ASKED, "this gateway was not asked")
    if offer.update.version != plan.version:
        return Refusal(
            RejectReason.WRONG_BASE,
            f"base version {offer.update.version}, the plan says {plan.version}",
        )
    if offer.codec not in plan.codecs:
        allowed = " or ".join(repr(text) for text in plan.codecs)
        return Refusal(
            RejectReason.WRONG_CODEC, f"codec {offer.codec!r}, the plan says {allowed}"[:256]
        )
    if offer.num_examples < plan.min_examples:
        return Refusal(
            RejectReason.TOO_FEW_EXAMPLES,
            f"{offer.num_examples} examples, the plan asks for {plan.min_examples}",
        )
    return _payload_refusal(plan, offer, limits)


def lateness(plan: Plan, open_plan: Plan, cap: int) -> str:
    """Say why an update of ``plan`` comes too late for the open round; empty when it counts."""
    if plan.kind is not open_plan.kind:
        return "its round is over"
    if open_plan.version - plan.version > cap:
        return f"{open_plan.version - plan.version} versions behind, at most {cap} count"
    return ""


def discount(staleness: int, power: float) -> float:
    """Return the weight of an update that is so many versions behind: (1 + s) ** -a.

    The polynomial staleness function of FedAsync (Xie et al. 2019), which FedBuff uses too.
    """
    return float((1 + max(staleness, 0)) ** -power)


def family(plan: str) -> tuple[str, int]:
    """Take a plan's id apart: the round's own plan, and which plan for this gateway it is."""
    base, mark, number = plan.partition(_FURTHER)
    return (base, int(number)) if mark and number.isdigit() else (plan, 1)


def seed_of(plan: Plan, update_plan: str) -> int:
    """Return the seed of an update's own plan: ``plan``, or a further one in its round."""
    _, number = family(update_plan)
    return plan.seed if number == 1 else (plan.seed + number) % 2**63


def further(plan: str, number: int) -> str:
    """Return the id of the ``number``-th plan for one gateway in the round of ``plan``."""
    return plan if number == 1 else f"{plan}{_FURTHER}{number}"


def _payload_refusal(plan: Plan, offer: UpdateOffer, limits: Limits) -> Refusal | None:
    statistics = plan.kind is PlanKind.STATISTICS
    modes = {Mode.FULL} | {found.mode for found in plan.training.modes if not statistics}
    size = limits.size(offer.mode)
    if size is None or offer.mode not in modes:
        return Refusal(RejectReason.WRONG_MODE, f"mode {offer.mode!r} was not asked for")
    limit = 24 * limits.channels if statistics else max_payload_bytes(size)
    if offer.payload.size > limit:
        return Refusal(
            RejectReason.TOO_LARGE, f"{offer.payload.size} bytes, at most {limit} are needed"
        )
    return None
