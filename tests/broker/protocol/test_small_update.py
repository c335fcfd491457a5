"""A small update in one message: nothing of the offer is lost, and it is small."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import sealed, wire
from broker.protocol.cohort import Cohort
from broker.protocol.messages import (
    MAX_INLINE_BYTES,
    BlobReference,
    LinkCodec,
    Mode,
    Plan,
    PlanKind,
    SmallUpdate,
    TrainingPlan,
    UpdateId,
    UpdateOffer,
)
from broker.protocol.signing import Ed25519Signer
from broker.protocol.small_update import small, spelled_out
from broker.protocol.topics import Topics
from broker.protocol.transfer import refer

SPARSE = "residual|topk=0.02|sign|golomb"
REFERENCE = BlobReference(b"d" * 32, 70_000, 32_768)
PLAN = Plan(
    epoch=4,
    plan="ward.3",
    kind=PlanKind.TRAIN,
    artifact=b"a" * 32,
    version=2,
    model=REFERENCE,
    cohort=Cohort.of(("g1",)),
    codec="q8",
    training=TrainingPlan(1, 0.02, 0.9, 0.0),
    min_examples=32,
    deadline_unix_s=1_000_600.5,
    seed=7,
    links=(LinkCodec("4g", SPARSE),),
)


@given(
    st.binary(min_size=1, max_size=MAX_INLINE_BYTES),
    st.sampled_from(Mode),
    st.sampled_from(("q8", SPARSE)),
    st.floats(1e-6, 1),
    st.floats(-1e30, 1e30),
)
def test_an_offer_is_read_back_from_its_small_update(
    payload: bytes, mode: Mode, codec: str, share: float, loss: float
) -> None:
    """All of it but the exact loss, which is for people."""
    reference = refer(payload, MAX_INLINE_BYTES)
    update = UpdateId("ward.3", 2, "g1", 5)
    offer = UpdateOffer(update, codec, 64, loss, reference, mode, share)
    said = small(offer, payload)
    assert said is not None
    said = wire.decode(wire.encode(said), SmallUpdate)
    found = spelled_out(said, "g1", PLAN)
    assert found.loss == pytest.approx(loss, rel=1e-3, abs=1e-4)
    assert replace(found, loss=loss) == offer
    assert said.data == payload


@pytest.mark.parametrize("size", [0, MAX_INLINE_BYTES + 1])
def test_nothing_and_what_is_large_is_no_small_update(size: int) -> None:
    offer = UpdateOffer(UpdateId("ward.3", 2, "g1", 5), "q8", 64, 0.5, REFERENCE)
    assert small(offer, bytes(size)) is None


def test_a_codec_that_the_plan_does_not_name_is_none_of_ours() -> None:
    payload = b"p" * 20
    offer = UpdateOffer(UpdateId("ward.3", 2, "g1", 5), "q4", 64, 0.5, refer(payload, 1024))
    said = small(offer, payload)
    assert said is not None
    assert spelled_out(said, "g1", PLAN).codec not in PLAN.codecs
    assert spelled_out(said, "g1", None).update == offer.update


def test_signed_it_costs_less_than_170_bytes_beside_the_payload() -> None:
    payload = b"p" * 200
    update = UpdateId("population.100", 99, "g1", 200)
    said = small(UpdateOffer(update, SPARSE, 1000, 0.1, refer(payload, 1024)), payload)
    topic = Topics("population").offer("g1")
    assert len(sealed.seal(said, topic, Ed25519Signer(b"g" * 32))) < 200 + 170
